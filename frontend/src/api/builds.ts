/** Builds: how versions of flows become images. */
import { api, bodyOf } from './client'
import type { Build, BuildStage, Page } from './model'
import { follow, type StreamOptions } from './stream'

export function listBuilds(flow_id: string, limit: number): Promise<Page<Build>> {
  return bodyOf(api.GET('/api/flows/{flow_id}/builds', { params: { path: { flow_id }, query: { limit } } }))
}

export async function readStages(build: string): Promise<BuildStage[]> {
  return (await bodyOf(api.GET('/api/builds/{build_id}', at(build)))).stages
}

/** Build the current version of a flow, `to` a place of one's own or the platform's. */
export async function askBuild(flow_id: string, to: string): Promise<void> {
  await api.POST('/api/flows/{flow_id}/builds', { params: { path: { flow_id } }, body: { to } })
}

export async function cancelBuild(build: string): Promise<void> {
  await api.POST('/api/builds/{build_id}/cancel', at(build))
}

/** Every line that a build has said, and those that it says until it is over. */
export function followBuild(build: string, options: StreamOptions): Promise<void> {
  return follow(`/api/builds/${encodeURIComponent(build)}/log?follow=true`, { ...options, last: 'done' })
}

function at(build_id: string) {
  return { params: { path: { build_id } } }
}
