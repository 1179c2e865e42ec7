// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { readMe } from './auth'
import { currentToken, dropToken, keepToken, onExpired } from './session'

let answer: () => Promise<Response>
const requests: Request[] = []

beforeEach(() => {
  requests.length = 0
  dropToken()
  vi.stubGlobal('fetch', (request: Request) => (requests.push(request), answer()))
})
afterEach(() => vi.unstubAllGlobals())

it('shows the token with every request', async () => {
  keepToken('one')
  answer = () => Promise.resolve(Response.json({ email: 'ada@example.org' }))
  expect((await readMe()).email).toBe('ada@example.org')
  expect(requests[0]?.headers.get('authorization')).toBe('Bearer one')
})

it('throws the problem in the words of the platform', async () => {
  const document = { type: 'urn:x', title: 'Too many flows', status: 402, detail: 'the plan has 5' }
  answer = () => Promise.resolve(Response.json(document, { status: 402 }))
  await expect(readMe()).rejects.toMatchObject({ status: 402, message: 'the plan has 5', document })
})

it('throws a problem too when no answer comes or a proxy answers', async () => {
  answer = () => Promise.reject(new TypeError('Failed to fetch'))
  await expect(readMe()).rejects.toMatchObject({ status: 0, isUnreachable: true })
  answer = () => Promise.resolve(new Response('<html>', { status: 502, statusText: 'Bad Gateway' }))
  await expect(readMe()).rejects.toMatchObject({ status: 502, document: { title: 'Bad Gateway' } })
})

it('ends the session at a 401, but not that of somebody who signed in meanwhile', async () => {
  const ended = vi.fn()
  onExpired(ended)
  const refuse = () => Promise.resolve(Response.json({ title: 'Signed out' }, { status: 401 }))
  keepToken('old')
  answer = () => (keepToken('new'), refuse())
  await expect(readMe()).rejects.toMatchObject({ status: 401 })
  expect([currentToken.value, ended.mock.calls.length]).toEqual(['new', 0])
  answer = refuse
  await expect(readMe()).rejects.toMatchObject({ status: 401 })
  expect([currentToken.value, ended.mock.calls.length]).toEqual([null, 1])
})
