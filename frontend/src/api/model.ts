/** The nouns of the platform's REST interface, under the names that the console uses. */
import type { components } from './schema'

type Schemas = components['schemas']

export type User = Schemas['Me']
export type FlowSummary = Schemas['Flow']
export type Flow = Schemas['FlowDetail']
export type FlowState = Schemas['FlowState']
export type FlowProblem = Schemas['FlowProblem']
export type Graph = Schemas['Graph']
export type GraphNode = Schemas['GraphNode']
export type GraphEdge = Schemas['GraphEdge']
export type Listener = Schemas['Listener']
export type SourceHealth = Schemas['SourceHealth']
export type Validation = Schemas['Validation']
export type FlowVersion = Schemas['FlowVersion']
export type RunSummary = Schemas['Run']
export type Run = Schemas['RunDetail']
export type RunStatus = Schemas['RunStatus']
export type WaitingFor = Schemas['WaitingFor']
export type Step = Schemas['Step']
export type StepStatus = Schemas['StepStatus']
export type LogLine = Schemas['StepLog']
export type DeadLetter = Schemas['DeadLetter']
export type Health = Schemas['Health']
export type Functions = Schemas['Functions']
export type FunctionKind = Schemas['Function']
export type FunctionParameter = Schemas['FunctionParameter']
export type Deployed = Schemas['Deployed']
export type DeploymentState = Schemas['DeploymentState']
export type Build = Schemas['Build']
export type BuildStatus = Schemas['BuildStatus']
export type BuildStage = Schemas['BuildStage']
export type StageStatus = Schemas['StageStatus']
export type JsonObject = Record<string, unknown>

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

/** Names one attempt of one step, as the address of a run's page does. */
export function stepKey(step: Step): string {
  return `${step.seq}.${step.attempt}`
}

export function isFinished(status: RunStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled'
}
