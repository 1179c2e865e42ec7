/** Server-sent events over fetch, because EventSource cannot carry a token: resumes where it broke off. */
import { ApiProblem, readProblem } from './problem'
import { currentToken, expire } from './session'
import { sleep } from './sleep'

export interface StreamEvent {
  /** Position in the stream; sent back as Last-Event-ID after a break. */
  id: string
  event: string
  data: unknown
}

export interface StreamOptions {
  signal: AbortSignal
  onEvent: (event: StreamEvent) => void
  /** Told at every change between connected and not. */
  onConnected?: (connected: boolean) => void
  /** First pause after a break, in ms; doubles up to 10 s. */
  backoffMs?: number
  /** What the last event is called. */
  last?: string
}

/** Follow a stream until its last event comes or the signal is aborted; throws ApiProblem when the platform refuses it. */
export async function follow(path: string, options: StreamOptions): Promise<void> {
  const { signal, onEvent, onConnected, backoffMs = 500, last = 'end' } = options
  let lastId = ''
  let pause = backoffMs
  while (!signal.aborted) {
    try {
      const response = await open(path, lastId, signal)
      onConnected?.(true)
      for await (const event of readEvents(response)) {
        pause = backoffMs
        if (event.id) lastId = event.id
        onEvent(event)
        if (event.event === last) return
      }
    } catch (fault) {
      if (signal.aborted) return
      if (fault instanceof ApiProblem && fault.isFinal) throw fault
    }
    onConnected?.(false)
    await sleep(pause, signal)
    pause = Math.min(pause * 2, 10_000)
  }
}

async function open(path: string, lastId: string, signal: AbortSignal): Promise<Response> {
  const token = currentToken.value
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (token) headers.Authorization = `Bearer ${token}`
  if (lastId) headers['Last-Event-ID'] = lastId
  const response = await fetch(path, { headers, signal, cache: 'no-store' })
  if (response.ok) return response
  if (response.status === 401 && token) expire(token)
  throw await readProblem(response)
}

/** Cut a body into events as the specification says: fields by line, an event at each blank line. */
export async function* readEvents(response: Response): AsyncGenerator<StreamEvent> {
  if (!response.body) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const blocks = (text + value).split(/\r?\n\r?\n/)
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const event = parseBlock(block)
        if (event) yield event
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function parseBlock(block: string): StreamEvent | null {
  const fields = { id: '', event: 'message', data: [] as string[] }
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith(':')) continue
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'id') fields.id = value
    else if (name === 'event') fields.event = value
    else if (name === 'data') fields.data.push(value)
  }
  if (fields.data.length === 0) return null
  return { id: fields.id, event: fields.event, data: JSON.parse(fields.data.join('\n')) }
}
