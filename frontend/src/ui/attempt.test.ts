import { expect, it, vi } from 'vitest'

import { useAttempt } from './attempt'

it('does one thing at a time', async () => {
  const { busy, attempt } = useAttempt()
  let end = () => {}
  const second = vi.fn()
  const first = attempt(() => new Promise((resolve) => (end = resolve)))
  await attempt(second)
  expect([busy.value, second.mock.calls.length]).toEqual([true, 0])
  end()
  await first
  expect(busy.value).toBe(false)
})

it('tells a fault and is ready for the next', async () => {
  const told = vi.fn()
  const { busy, attempt } = useAttempt(told)
  const fault = new Error('no')
  await attempt(() => Promise.reject(fault))
  expect([told.mock.calls, busy.value]).toEqual([[[fault]], false])
})
