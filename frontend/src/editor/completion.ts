/** What the editor proposes: kinds of states, and the names of this flow's states as targets. */
import type { CompletionContext, CompletionResult } from '@codemirror/autocomplete'

import { findStates } from './states'

/** The kinds that every installation has. */
export const STATE_TYPES = [
  ...['set', 'if', 'switch', 'loop', 'parallel', 'wait', 'call', 'emit', 'assert', 'end'],
  ...['command', 'file', 'http', 'rss_reader', 'telegram-bot'],
]
export const LISTENER_TYPES = ['webhook', 'event', 'schedule', 'rss', 'directory', 'telegram', 'email', 'mqtt', 'mcp', 'a2a']
const TARGET = /^\s*-?\s*(?:\w*transition\w*|default|start_state|then|else|next|body_state)\s*:\s*[\w-]*$/

export function complete(context: CompletionContext): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos)
  const before = line.text.slice(0, context.pos - line.from)
  const from = context.pos - (/[\w-]*$/.exec(before)?.[0].length ?? 0)
  if (/^\s*-?\s*(?:state_type|type)\s*:\s*[\w-]*$/.test(before)) {
    const types = isInListener(context) ? LISTENER_TYPES : STATE_TYPES
    return { from, options: options(types, 'type'), validFor: /^[\w-]*$/ }
  }
  if (!TARGET.test(before)) return null
  const names = findStates(context.state.doc.toString()).map((state) => state.name)
  return { from, options: options([...names, 'end'], 'variable'), validFor: /^[\w-]*$/ }
}

function options(labels: readonly string[], type: string) {
  return [...new Set(labels)].map((label) => ({ label, type }))
}

function isInListener(context: CompletionContext): boolean {
  const text = context.state.sliceDoc(0, context.pos)
  const keys = [...text.matchAll(/^([\w-]+)\s*:/gm)]
  return keys.at(-1)?.[1] === 'listener'
}
