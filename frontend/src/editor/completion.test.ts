import { CompletionContext } from '@codemirror/autocomplete'
import { EditorState } from '@codemirror/state'
import { describe, expect, it, vi } from 'vitest'

import type { FunctionKind, Functions } from '@/api/model'

import { makeCompletion } from './completion'

function kind(type: string, parameters: Partial<FunctionKind['parameters'][number]>[] = [], installed = true): FunctionKind {
  const whole = { types: ['string'], required: false, default: null, enum: [], aliases: [], secret: false, description: '.', name: '' }
  return { type, aliases: [], description: `${type}.`, installed, parameters: parameters.map((each) => ({ ...whole, ...each })) }
}

const FUNCTIONS: Functions = {
  states: [
    kind('file', [{ name: 'action', enum: ['read', 'write'] }, { name: 'path', required: true }, { name: 'as_text', types: ['boolean'] }]),
    kind('http', [{ name: 'url' }]),
    kind('elsewhere', [], false),
  ],
  sources: [kind('rss', [{ name: 'feeds' }]), kind('webhook')],
}

/** Labels proposed at the `|` of a text. */
async function proposed(text: string, read = () => Promise.resolve(FUNCTIONS)): Promise<string[]> {
  const position = text.indexOf('|')
  const state = EditorState.create({ doc: text.replace('|', '') })
  const found = await makeCompletion(read)(new CompletionContext(state, position, true))
  return found?.options.map((option) => option.label) ?? []
}

describe('proposals', () => {
  it('are the installed kinds of states, and those of listeners in the listener', async () => {
    expect(await proposed('states:\n  a:\n    state_type: |')).toEqual(['file', 'http'])
    expect(await proposed('listener:\n  type: |\nstates:\n  a:\n    state_type: end')).toEqual(['rss', 'webhook'])
  })

  it('are the parameters of the kind that are not there yet', async () => {
    expect(await proposed('states:\n  a:\n    state_type: file\n    action: read\n    p|')).toEqual(['path', 'as_text'])
    expect(await proposed('listener:\n  type: rss\n  f|\nstates:\n  a:\n    state_type: end')).toEqual(['feeds'])
  })

  it('are the values of a parameter that has a few', async () => {
    expect(await proposed('states:\n  a:\n    state_type: file\n    action: |')).toEqual(['read', 'write'])
    expect(await proposed('states:\n  a:\n    state_type: file\n    as_text: |')).toEqual(['true', 'false'])
  })

  it('are the states of the flow where one goes on, also when the platform does not answer', async () => {
    const down = () => Promise.reject(new Error('down'))
    expect(await proposed('states:\n  a:\n    transition: |\n  b:\n    state_type: end', down)).toEqual(['a', 'b', 'end'])
    expect(await proposed('states:\n  a:\n    state_type: |', down)).toEqual([])
  })

  it('ask the platform once', async () => {
    const read = vi.fn(() => Promise.resolve(FUNCTIONS))
    const complete = makeCompletion(read)
    const state = EditorState.create({ doc: 'states:\n  a:\n    state_type: ' })
    for (let time = 0; time < 3; time += 1) await complete(new CompletionContext(state, state.doc.length, true))
    expect(read).toHaveBeenCalledTimes(1)
  })
})
