/** How the platform is. */
import { api, bodyOf } from './client'
import type { Health } from './model'

export function readHealth(): Promise<Health> {
  return bodyOf(api.GET('/api/health', { params: { query: { detailed: true } } }))
}
