/** Events that could not be delivered. */
import { api, bodyOf } from './client'
import type { DeadLetter, Page } from './model'

export function listDeadLetters(limit: number): Promise<Page<DeadLetter>> {
  return bodyOf(api.GET('/api/dead-letters', { params: { query: { limit } } }))
}

export async function redeliver(dead_letter_id: number): Promise<void> {
  await api.POST('/api/dead-letters/{dead_letter_id}/redeliver', at(dead_letter_id))
}

export async function discard(dead_letter_id: number): Promise<void> {
  await api.DELETE('/api/dead-letters/{dead_letter_id}', at(dead_letter_id))
}

function at(dead_letter_id: number) {
  return { params: { path: { dead_letter_id } } }
}
