// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { follow, readEvents, type StreamEvent } from './stream'
import { currentToken, keepToken } from './session'

const asked: Request[] = []
let answers: (() => Response)[] = []

beforeEach(() => {
  asked.length = 0
  keepToken('secret')
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    asked.push(new Request(new URL(path, location.origin), init))
    const answer = answers.shift()
    return answer ? Promise.resolve(answer()) : Promise.reject(new TypeError('refused'))
  })
})
afterEach(() => vi.unstubAllGlobals())

function stream(...chunks: string[]) {
  return () => new Response(new Blob(chunks).stream())
}

async function gather(path: string): Promise<StreamEvent[]> {
  const events: StreamEvent[] = []
  const { signal } = new AbortController()
  await follow(path, { signal, backoffMs: 1, onEvent: (event) => events.push(event) })
  return events
}

it('ends with what its last event is called, and comes back for nothing after it', async () => {
  answers = [stream('id: 4\nevent: end\ndata: 1\n\nid: 5\nevent: done\ndata: 2\n\n')]
  const events: StreamEvent[] = []
  const { signal } = new AbortController()
  await follow('/log', { signal, backoffMs: 1, last: 'done', onEvent: (event) => events.push(event) })
  expect(events.map(({ event }) => event)).toEqual(['end', 'done'])
  expect(asked).toHaveLength(1)
})

it('reads events whatever the pieces they come in, without comments', async () => {
  const bytes = new TextEncoder().encode(': hello\n\nid: 1\nevent: step\ndata: {"a":\ndata: "è"}\n\ndata: 2\r\n\r\n')
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]))
      controller.close()
    },
  })
  const events = []
  for await (const event of readEvents(new Response(body))) events.push(event)
  expect(events).toEqual([
    { id: '1', event: 'step', data: { a: 'è' } },
    { id: '', event: 'message', data: 2 },
  ])
})

it('shows its token, goes on after a break where it stood, and ends with the end', async () => {
  const refused = () => {
    throw new TypeError('refused')
  }
  answers = [stream('id: 7\nevent: step\ndata: 1\n\n'), refused, stream('id: 8\nevent: end\ndata: 2\n\n')]
  expect((await gather('/api/runs/1/events')).map(({ data }) => data)).toEqual([1, 2])
  expect(asked.map(({ headers }) => headers.get('last-event-id'))).toEqual([null, '7', '7'])
  expect(asked[0]?.headers.get('authorization')).toBe('Bearer secret')
})

it('stops when the platform refuses it, and forgets a token that is not good any more', async () => {
  answers = [() => Response.json({ title: 'Not found', status: 404 }, { status: 404 })]
  await expect(gather('/a')).rejects.toMatchObject({ status: 404 })
  answers = [() => Response.json({ title: 'Sign in' }, { status: 401 })]
  await expect(gather('/b')).rejects.toMatchObject({ status: 401 })
  expect(currentToken.value).toBeNull()
})
