import { expect, it } from 'vitest'

import { nextPath } from './next'

it('goes where the person wanted to go', () => {
  expect(nextPath('/runs/1?step=2.1')).toBe('/runs/1?step=2.1')
})

it.each([undefined, '', '//evil.example', '/\\evil.example', 'https://evil.example', ['/a']])('never leaves this site: %s', (next) => {
  expect(nextPath(next)).toBe('/flows')
})
