/** Runs by pages: the first stays fresh by itself, the older ones are added when asked for. */
import { computed, ref, shallowRef, watch, type Ref } from 'vue'

import type { RunSummary } from '@/api/model'
import { listRuns, type RunQuery } from '@/api/runs'
import { usePolled } from '@/shell/polling'
import { toastFault } from '@/ui/toasts'

const LIMIT = 30

export function useRunPages(query: Readonly<Ref<RunQuery>>) {
  const older = shallowRef<readonly RunSummary[]>([])
  const cursor = ref<string | null>()
  const isLoading = ref(false)
  const key = computed(() => JSON.stringify(query.value))
  const first = usePolled(async () => {
    const mine = key.value
    return { key: mine, ...(await listRuns({ ...query.value, limit: LIMIT })) }
  }, 3000)

  watch(key, () => {
    older.value = []
    cursor.value = undefined
    void first.refresh()
  })

  const current = computed(() => (first.value.value?.key === key.value ? first.value.value : undefined))
  const next = computed(() => (cursor.value === undefined ? current.value?.next_cursor : cursor.value))
  const runs = computed(() => {
    if (!current.value) return undefined
    // New runs push others from the first page to where the older ones begin: each is shown once.
    const seen = new Set<string>()
    const all = [...current.value.items, ...older.value]
    return all.filter((run) => !seen.has(run.id) && seen.add(run.id))
  })

  async function loadMore(): Promise<void> {
    const mine = key.value
    if (!next.value) return
    isLoading.value = true
    try {
      // The first page's own runs are kept too, because they leave it when new ones come.
      const kept = cursor.value === undefined ? (current.value?.items ?? []) : []
      const page = await listRuns({ ...query.value, limit: LIMIT, cursor: next.value })
      if (mine !== key.value) return
      older.value = [...kept, ...older.value, ...page.items]
      cursor.value = page.next_cursor
    } catch (fault) {
      toastFault(fault)
    } finally {
      isLoading.value = false
    }
  }

  return { runs, problem: first.problem, hasMore: computed(() => !!next.value), isLoading, loadMore }
}
