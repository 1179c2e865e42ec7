import { expect, it } from 'vitest'

import { diffLinesShort } from './diff'

const LINES = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`)

it('is empty for the same text', () => {
  expect(diffLinesShort('a\nb\n', 'a\nb\n')).toEqual([])
})

it('shows a change with three lines around it and says how many it leaves out', () => {
  const after = LINES.with(9, 'changed')
  const shown = diffLinesShort(LINES.join('\n'), after.join('\n'))
  expect(shown.map(({ kind }) => kind)).toEqual(
    ['gap', 'same', 'same', 'same', 'removed', 'added', 'same', 'same', 'same', 'gap'],
  )
  expect(shown[0]?.count).toBe(6)
  expect(shown[4]).toEqual({ kind: 'removed', text: 'line 10', number: 10 })
  expect(shown[5]).toEqual({ kind: 'added', text: 'changed', number: 10 })
  expect(shown.at(-1)?.count).toBe(7)
})
