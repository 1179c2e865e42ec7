/** What the editor proposes: kinds of states and listeners, their parameters and values, this flow's states as targets. */
import type { Completion, CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'

import type { FunctionKind, FunctionParameter, Functions } from '@/api/model'

import { findStates } from './states'

const TARGET = /^\s*-?\s*(?:\w*transition\w*|default|start_state|then|else|next|body_state)\s*:\s*[\w-]*$/
const KIND = /^\s*-?\s*(?:state_type|type)\s*:\s*[\w-]*$/
const KEY = /^\s+[\w-]*$/
const VALUE = /^\s+([\w-]+)\s*:\s*[\w-]*$/
const KIND_OF_BLOCK = /^\s*(?:- )?(?:state_type|type|listener_type)\s*:\s*["']?([\w/-]+)/m

/** Proposals from what `read` gives: it is asked once, when there is first something to propose. */
export function makeCompletion(read: () => Promise<Functions>): CompletionSource {
  let asked: Promise<Functions | undefined> | undefined
  const known = () => (asked ??= read().catch(() => (asked = undefined)))
  return async (context) => {
    const line = context.state.doc.lineAt(context.pos)
    const before = line.text.slice(0, context.pos - line.from)
    const options = optionsAt(context, before, TARGET.test(before) ? undefined : await known())
    const from = context.pos - (/[\w-]*$/.exec(before)?.[0].length ?? 0)
    return options.length && !context.aborted ? ({ from, options, validFor: /^[\w-]*$/ } satisfies CompletionResult) : null
  }
}

function optionsAt(context: CompletionContext, before: string, functions?: Functions): Completion[] {
  const text = context.state.doc.toString()
  if (TARGET.test(before)) {
    const names = new Set([...findStates(text).map((state) => state.name), 'end'])
    return [...names].map((label) => ({ label, type: 'variable' }))
  }
  if (!functions) return []
  const isListener = isInListener(text, context.pos)
  const kinds = isListener ? functions.sources : functions.states
  if (KIND.test(before)) return kinds.filter((kind) => kind.installed).map(kindOption)
  const block = isListener ? listenerBlock(text) : stateBlock(text, context.state.doc.lineAt(context.pos).number)
  const name = KIND_OF_BLOCK.exec(block)?.[1]
  const kind = kinds.find((each) => each.type === name || (name !== undefined && each.aliases.includes(name)))
  if (!kind) return []
  const key = VALUE.exec(before)?.[1]
  if (key !== undefined) return valueOptions(kind.parameters.find((each) => each.name === key || each.aliases.includes(key)))
  return KEY.test(before) && (context.explicit || /\w$/.test(before)) ? parameterOptions(kind, block) : []
}

function kindOption(kind: FunctionKind): Completion {
  return { label: kind.type, type: 'type', info: kind.description }
}

function parameterOptions(kind: FunctionKind, block: string): Completion[] {
  const isThere = (name: string) => new RegExp(`^\\s*(?:- )?${name}\\s*:`, 'm').test(block)
  return kind.parameters
    .filter((parameter) => ![parameter.name, ...parameter.aliases].some(isThere))
    .map((parameter) => ({
      label: parameter.name,
      type: 'property',
      detail: parameter.types.join(' | '),
      info: parameter.description,
      apply: `${parameter.name}: `,
      boost: parameter.required ? 1 : 0,
    }))
}

function valueOptions(parameter?: FunctionParameter): Completion[] {
  const isFlag = parameter?.types.length === 1 && parameter.types[0] === 'boolean'
  const values = parameter?.enum.length ? parameter.enum : isFlag ? [true, false] : []
  return values.filter((value) => value !== '').map((value) => ({ label: String(value), type: 'constant' }))
}

function isInListener(text: string, position: number): boolean {
  const keys = [...text.slice(0, position).matchAll(/^([\w-]+)\s*:/gm)]
  return keys.at(-1)?.[1] === 'listener'
}

function listenerBlock(text: string): string {
  return /^listener\s*:.*\n((?:[ \t].*\n?|\s*\n)*)/m.exec(text)?.[1] ?? ''
}

/** The lines of the innermost state around a line; a line right below a state is still being written to it. */
function stateBlock(text: string, line: number): string {
  const around = findStates(text).filter((state) => state.from <= line && line <= state.to + 1)
  const innermost = around.at(-1)
  return innermost ? text.split('\n').slice(innermost.from, Math.max(innermost.to, line)).join('\n') : ''
}
