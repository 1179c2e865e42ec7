/** The kinds that the editor proposes are those that every installation has. */
import { readdirSync, readFileSync } from 'node:fs'

import { expect, it } from 'vitest'

import { LISTENER_TYPES, STATE_TYPES } from '@/editor/completion'

function kindsIn(folder: string, key: string): string[] {
  const root = `../functions/intellyhub_functions/${folder}`
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('manifest.json'))
    .map((path) => (JSON.parse(readFileSync(`${root}/${path}`, 'utf8')) as Record<string, string>)[key] ?? path)
}

it('proposes every kind of listener, and no other', () => {
  expect([...LISTENER_TYPES].sort()).toEqual(kindsIn('sources', 'listener_type').sort())
})

it('proposes every kind of state that is a function', () => {
  expect(STATE_TYPES).toEqual(expect.arrayContaining(kindsIn('states', 'state_type')))
})
