/** Runs, their steps, and what one can do with them. */
import { api, bodyOf } from './client'
import type { JsonObject, Page, Run, RunStatus, RunSummary, Step } from './model'
import { follow, type StreamOptions } from './stream'

export interface RunQuery {
  flow?: string
  status?: RunStatus
  cursor?: string
  limit?: number
}

export function listRuns(query: RunQuery): Promise<Page<RunSummary>> {
  return bodyOf(api.GET('/api/runs', { params: { query } }))
}

export function readRun(run: string): Promise<Run> {
  return bodyOf(api.GET('/api/runs/{run_id}', at(run)))
}

export async function readSteps(run: string): Promise<Step[]> {
  return (await bodyOf(api.GET('/api/runs/{run_id}/steps', at(run)))).items
}

export function followRun(run: string, options: StreamOptions): Promise<void> {
  return follow(`/api/runs/${encodeURIComponent(run)}/events`, options)
}

export async function cancelRun(run: string): Promise<void> {
  await api.POST('/api/runs/{run_id}/cancel', at(run))
}

export async function answerRun(run: string, decision: JsonObject): Promise<void> {
  await api.POST('/api/runs/{run_id}/resume', { ...at(run), body: { decision } })
}

/** Run the same event again and return the new run's id. */
export async function replayRun(run: string): Promise<string> {
  return (await bodyOf(api.POST('/api/runs/{run_id}/replay', { ...at(run), body: {} }))).run_id
}

/** Run again from one step on, with some values changed, and return the new run's id. */
export async function forkRun(run: string, seq: number, variables: JsonObject): Promise<string> {
  return (await bodyOf(api.POST('/api/runs/{run_id}/fork', { ...at(run), body: { seq, variables } }))).run_id
}

function at(run_id: string) {
  return { params: { path: { run_id } } }
}
