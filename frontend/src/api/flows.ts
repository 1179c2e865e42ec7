/** Flows, their versions, and starting them. */
import { api, bodyOf } from './client'
import type { Flow, FlowSummary, FlowVersion, Graph, JsonObject, Page, Validation } from './model'

export interface Execution {
  event?: JsonObject
  variables?: JsonObject
}

export function listFlows(query: { q?: string; limit: number }): Promise<Page<FlowSummary>> {
  return bodyOf(api.GET('/api/flows', { params: { query } }))
}

export function readFlow(flow: string): Promise<Flow> {
  return bodyOf(api.GET('/api/flows/{flow_id}', at(flow)))
}

export function createFlow(name: string, yaml: string): Promise<FlowSummary> {
  return bodyOf(api.POST('/api/flows', { body: { name, yaml_content: yaml } }))
}

export function publishFlow(flow: string, yaml: string): Promise<FlowSummary> {
  return bodyOf(api.PUT('/api/flows/{flow_id}', { ...at(flow), body: { yaml_content: yaml } }))
}

export function setActive(flow: string, active: boolean): Promise<FlowSummary> {
  return bodyOf(api.PUT('/api/flows/{flow_id}', { ...at(flow), body: { active } }))
}

export async function deleteFlow(flow: string): Promise<void> {
  await api.DELETE('/api/flows/{flow_id}', at(flow))
}

export function validateFlow(yaml: string, signal?: AbortSignal): Promise<Validation> {
  return bodyOf(api.POST('/api/flows/validate', { body: { yaml_content: yaml }, signal }))
}

/** Start a run and return its id. */
export async function executeFlow(flow: string, execution: Execution): Promise<string> {
  const started = await bodyOf(api.POST('/api/flows/{flow_id}/execute', { ...at(flow), body: execution }))
  return 'run_id' in started ? started.run_id : started.id
}

export function listVersions(flow_id: string, limit: number): Promise<Page<FlowVersion>> {
  return bodyOf(api.GET('/api/flows/{flow_id}/versions', { params: { path: { flow_id }, query: { limit } } }))
}

export async function readVersionText(flow: string, version: number): Promise<string> {
  return (await bodyOf(api.GET('/api/flows/{flow_id}/versions/{version}', atVersion(flow, version)))).yaml_content
}

/** The machine of a version, or of the current one where the version is not known. */
export async function readMachine(flow: string, version: number | null): Promise<Graph | null> {
  const current = await readFlow(flow)
  if (version === null || version === current.version) return current.graph
  const text = await readVersionText(flow, version)
  return (await validateFlow(text)).graph
}

export async function rollBack(flow: string, version: number): Promise<void> {
  await api.POST('/api/flows/{flow_id}/versions/{version}/rollback', atVersion(flow, version))
}

/** Give the current version a part of the requests; the version before, or the one that has it now, keeps the rest. */
export async function rollOut(flow: string, percent: number): Promise<void> {
  await api.POST('/api/flows/{flow_id}/rollout', { ...at(flow), body: { percent } })
}

/** Give the current version all requests. */
export async function promote(flow: string): Promise<void> {
  await api.POST('/api/flows/{flow_id}/promote', at(flow))
}

function at(flow_id: string) {
  return { params: { path: { flow_id } } }
}

function atVersion(flow_id: string, version: number) {
  return { params: { path: { flow_id, version } } }
}
