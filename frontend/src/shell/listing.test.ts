// @vitest-environment happy-dom
import { flushPromises } from '@vue/test-utils'
import { expect, it, vi } from 'vitest'
import { effectScope } from 'vue'

import { usePolledList } from './listing'

it('reads further down when more is asked for, up to what the platform gives at once', async () => {
  const read = vi.fn((limit: number) => Promise.resolve({ items: Array.from({ length: limit }), next_cursor: 'more' }))
  const scope = effectScope()
  const { page, hasMore, loadMore } = scope.run(() => usePolledList(read, 60_000))!
  await flushPromises()
  expect([page.value?.items.length, hasMore.value]).toEqual([50, true])
  while (hasMore.value) {
    loadMore()
    await flushPromises()
  }
  expect([page.value?.items.length, read.mock.calls.length]).toEqual([200, 4])
  scope.stop()
})
