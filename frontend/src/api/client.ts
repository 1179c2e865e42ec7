/** The one door to the platform: typed by its OpenAPI document, with the token, and with problems as `ApiProblem`. */
import createClient, { type Middleware } from 'openapi-fetch'

import { readProblem, unreachable } from './problem'
import type { paths } from './schema'
import { currentToken, expire } from './session'

const session: Middleware = {
  onRequest({ request }) {
    if (currentToken.value) request.headers.set('Authorization', `Bearer ${currentToken.value}`)
    return request
  },
  async onResponse({ request, response }) {
    if (response.ok) return
    const token = request.headers.get('Authorization')?.slice('Bearer '.length)
    if (response.status === 401 && token) expire(token)
    throw await readProblem(response)
  },
  onError({ error }) {
    return unreachable(error)
  },
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: (request) => fetch(request) })
api.use(session)

/** The body of a good answer; the others have been thrown. */
export async function bodyOf<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T
}
