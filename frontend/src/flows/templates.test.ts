import { expect, it } from 'vitest'

import { TEMPLATES, withName } from './templates'

it.each(TEMPLATES)('$key has a name of its own to begin with', ({ yaml }) => {
  expect(yaml.match(/^name: /gm)).toHaveLength(1)
})

it('puts a name into the text so that YAML reads it as it was typed', () => {
  expect(withName('name: Old\n', 'Città 2')).toBe('name: Città 2\n')
  expect(withName('name: Old\n', 'a: "b" #1')).toBe('name: "a: \\"b\\" #1"\n')
  expect(withName('name: Old\n', 'True')).toBe('name: "True"\n')
  expect(withName('name: Old\n', 'Null island')).toBe('name: Null island\n')
  expect(withName('name: Old\n', '$& yes')).toBe('name: "$& yes"\n')
})
