import { expect, it } from 'vitest'

import type { Build, Deployed, Flow } from '@/api/model'

import { isWorthANotice, mayRetry, sharesOf, shortDigest, tookOf } from './facts'

const BUILD = { version: 3, status: 'failed', started_at: '2030-01-01T10:00:00Z', ended_at: '2030-01-01T10:00:02.5Z' } as Build
const DEPLOYED = { state: 'ready', routed: { v2: 0, v3: 20, v1: 80 } } as unknown as Deployed

it('tells how long a build took, once it is over', () => {
  expect(tookOf(BUILD)).toBe(2500)
  expect(tookOf({ ...BUILD, ended_at: null })).toBeNull()
  expect(tookOf({ ...BUILD, started_at: null })).toBeNull()
})

it('offers to build again only what would be used', () => {
  expect(mayRetry(BUILD, { version: 3 } as Flow)).toBe(true)
  expect(mayRetry(BUILD, { version: 4 } as Flow)).toBe(false)
  expect(mayRetry({ ...BUILD, status: 'succeeded' }, { version: 3 } as Flow)).toBe(false)
})

it('shows versions that have requests, the greatest part first', () => {
  expect(sharesOf(DEPLOYED)).toEqual([
    { tag: 'v1', percent: 80 },
    { tag: 'v3', percent: 20 },
  ])
})

it('makes a notice of everything but what is well, and of nothing on one machine', () => {
  expect(isWorthANotice(DEPLOYED)).toBe(false)
  expect(isWorthANotice({ ...DEPLOYED, state: 'failing' })).toBe(true)
  expect(isWorthANotice(null)).toBe(false)
})

it('cuts digests to what people compare', () => {
  expect(shortDigest('sha256:' + 'a'.repeat(64))).toBe('sha256:aaaaaaaaaaaa…')
  expect(shortDigest('')).toBe('')
})
