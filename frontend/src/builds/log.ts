/** What a build says, from its first line, and on until it is over. */
import { onScopeDispose, ref, shallowRef, type Ref } from 'vue'

import { followBuild } from '@/api/builds'
import { toProblem, type ApiProblem } from '@/api/problem'

export interface Line {
  number: number
  stage: string
  text: string
}

export interface BuildLog {
  lines: Readonly<Ref<readonly Line[]>>
  problem: Readonly<Ref<ApiProblem | undefined>>
  /** More may come. */
  isLive: Readonly<Ref<boolean>>
}

/** Follow a build's log while the component lives. */
export function useBuildLog(build: string): BuildLog {
  const lines = shallowRef<readonly Line[]>([])
  const problem = shallowRef<ApiProblem>()
  const isLive = ref(true)
  const watching = new AbortController()
  onScopeDispose(() => watching.abort())

  followBuild(build, {
    signal: watching.signal,
    onEvent: ({ id, event, data }) => {
      if (event === 'line') lines.value = withLine(lines.value, { number: Number(id), ...(data as Omit<Line, 'number'>) })
    },
  })
    .catch((fault: unknown) => (problem.value = toProblem(fault)))
    .finally(() => (isLive.value = false))
  return { lines, problem, isLive }
}

/** A build that was taken up again begins its log anew: what came after that line before is gone. */
function withLine(lines: readonly Line[], line: Line): readonly Line[] {
  const kept = lines.at(-1)
  return kept && kept.number >= line.number ? [...lines.filter(({ number }) => number < line.number), line] : [...lines, line]
}
