/** Lists whose rows change: always read from the beginning, further down when more is asked for. */
import { computed, ref, watch, type Ref } from 'vue'

import type { Page } from '@/api/model'

import { usePolled, type Polled } from './polling'

const STEP = 50
/** The platform's own bound for one reading. */
const MOST = 200

export interface PolledList<P> extends Omit<Polled<P>, 'value'> {
  page: Polled<P>['value']
  hasMore: Readonly<Ref<boolean>>
  loadMore: () => void
}

export function usePolledList<P extends Page<unknown>>(read: (limit: number) => Promise<P>, intervalMs: number): PolledList<P> {
  const limit = ref(STEP)
  const { value: page, problem, refresh } = usePolled(() => read(limit.value), intervalMs)
  const hasMore = computed(() => !!page.value?.next_cursor && limit.value < MOST)
  watch(limit, refresh)
  return { page, problem, refresh, hasMore, loadMore: () => (limit.value += STEP) }
}
