import { api, bodyOf } from './client'
import type { DeadLetter, Health, Page } from './model'

export function listDeadLetters(query: { flow?: string; cursor?: string; limit?: number }): Promise<Page<DeadLetter>> {
  return bodyOf(api.GET('/api/dead-letters', { params: { query } }))
}

export async function redeliver(dead_letter_id: number): Promise<void> {
  await api.POST('/api/dead-letters/{dead_letter_id}/redeliver', { params: { path: { dead_letter_id } } })
}

export async function discard(dead_letter_id: number): Promise<void> {
  await api.DELETE('/api/dead-letters/{dead_letter_id}', { params: { path: { dead_letter_id } } })
}

export function readHealth(): Promise<Health> {
  return bodyOf(api.GET('/api/health', { params: { query: { detailed: true } } }))
}
