import { Text } from '@codemirror/state'
import { expect, it } from 'vitest'

import type { FlowProblem } from '@/api/model'

import { toDiagnostics } from './setup'

const TEXT = Text.of(['states:', '  a:', '    transition: bb  # typo'])

function problem(place: Partial<FlowProblem>): FlowProblem {
  const nowhere = { line: null, column: null, end_line: null, end_column: null }
  return { code: 'unknown-target', severity: 'warning', message: 'no bb', suggestion: null, state: null, ...nowhere, ...place }
}

it('underlines the word at the place of a problem that has no end', () => {
  const [found] = toDiagnostics([problem({ line: 3, column: 17 })], TEXT)
  expect(TEXT.sliceString(found?.from ?? 0, found?.to)).toBe('bb')
})

it('underlines up to the end that a problem names', () => {
  const [found] = toDiagnostics([problem({ line: 3, column: 5, end_line: 3, end_column: 19 })], TEXT)
  expect(TEXT.sliceString(found?.from ?? 0, found?.to)).toBe('transition: bb')
})

it('keeps problems within the text, whose end may have been deleted meanwhile, in the order of their places', () => {
  const found = toDiagnostics([problem({ line: 99, column: 99 }), problem({})], TEXT)
  expect(found.map(({ from }) => from)).toEqual([0, TEXT.length])
  expect(found.every(({ to }) => to <= TEXT.length)).toBe(true)
})

it('shows the suggestion below the message', () => {
  const [found] = toDiagnostics([problem({ suggestion: 'did you mean b?' })], TEXT)
  expect(found?.message).toBe('no bb\ndid you mean b?')
})
