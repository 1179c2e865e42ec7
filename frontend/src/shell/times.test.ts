import { expect, it } from 'vitest'

import { duration, relativeTime } from './times'

const NOW = Date.parse('2026-03-01T12:00:00Z')

it('says how long ago in the unit that fits, in the reader’s language', () => {
  expect(relativeTime('2026-03-01T11:59:15Z', NOW, 'en')).toBe('45 sec. ago')
  expect(relativeTime('2026-03-01T10:30:00Z', NOW, 'it')).toBe('1 h fa')
  expect(relativeTime('2026-02-28T11:00:00Z', NOW, 'en')).toBe('yesterday')
  expect(relativeTime('2026-03-01T12:00:00Z', NOW, 'en')).toBe('now')
  expect(relativeTime('2026-03-01T14:00:00Z', NOW, 'en')).toBe('in 2 hr.')
})

it('says how long something took', () => {
  expect([0.25, 12.4, 3400, 65_000, 7_500_000].map((ms) => duration(ms, 'it'))).toEqual(
    ['0,3 ms', '12 ms', '3,4 s', '1 min 5 s', '2 h 5 min'],
  )
})
