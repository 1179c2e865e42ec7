/** What flows are made of. */
import { api, bodyOf } from './client'
import type { Functions } from './model'

export function readFunctions(): Promise<Functions> {
  return bodyOf(api.GET('/api/functions'))
}
