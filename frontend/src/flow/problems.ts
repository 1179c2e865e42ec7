/** How bad a flow's problems are, all in all. */
import type { FlowProblem } from '@/api/model'

export function countProblems(problems: readonly FlowProblem[]): { errors: number; warnings: number } {
  const errors = problems.filter(({ severity }) => severity === 'error').length
  return { errors, warnings: problems.length - errors }
}
