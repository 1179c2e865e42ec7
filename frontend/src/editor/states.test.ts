import { describe, expect, it } from 'vitest'

import { findStates, stateAt } from './states'

const TEXT = `name: Example
states:
  # the first
  begin:
    state_type: set
    transition: each

  each:
    state_type: loop
    states:
      inner:
        state_type: set
  'last one':
    state_type: end
tests:
  - name: not a state
`

describe('findStates', () => {
  it('finds states of a mapping with their lines, nested ones under the name of the outer', () => {
    expect(findStates(TEXT)).toEqual([
      { name: 'begin', from: 4, to: 6 },
      { name: 'each', from: 8, to: 12 },
      { name: 'each/inner', from: 11, to: 12 },
      { name: 'last one', from: 13, to: 14 },
    ])
  })

  it('finds states of a list, also at the indentation of its key', () => {
    const text = 'states:\n- name: one\n  state_type: set\n- state_type: end\n  name: "two"\nlistener: {}\n'
    expect(findStates(text)).toEqual([
      { name: 'one', from: 2, to: 3 },
      { name: 'two', from: 4, to: 5 },
    ])
  })

  it('finds what there is in a broken text, and nothing in one without states', () => {
    expect(findStates('states:\n  a:\n    state_type: [\n  b').map((state) => state.name)).toEqual(['a'])
    expect(findStates('name: x\n')).toEqual([])
    expect(findStates('states:')).toEqual([])
  })
})

describe('stateAt', () => {
  it('is the innermost state of a line, and none between states', () => {
    const states = findStates(TEXT)
    expect(stateAt(states, 12)?.name).toBe('each/inner')
    expect(stateAt(states, 5)?.name).toBe('begin')
    expect(stateAt(states, 7)).toBeUndefined()
    expect(stateAt(states, 1)).toBeUndefined()
  })
})
