/** Read something again and again while the page is looked at. */
import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'

import { toProblem, type ApiProblem } from '@/api/problem'

export interface Polled<T> {
  value: Readonly<ShallowRef<T | undefined>>
  problem: Readonly<ShallowRef<ApiProblem | undefined>>
  /** Read now; the last of several readers under way wins. */
  refresh: () => Promise<void>
}

/** Read at once and then every `intervalMs`, not while the tab is hidden; a problem leaves the last value standing. */
export function usePolled<T>(read: () => Promise<T>, intervalMs: number): Polled<T> {
  const value = shallowRef<T>()
  const problem = shallowRef<ApiProblem>()
  let latest = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let disposed = false

  async function refresh(): Promise<void> {
    clearTimeout(timer)
    const mine = ++latest
    try {
      const found = await read()
      if (mine !== latest || disposed) return
      value.value = found
      problem.value = undefined
    } catch (fault) {
      if (mine !== latest || disposed) return
      problem.value = toProblem(fault)
    }
    timer = setTimeout(tick, intervalMs)
  }

  function tick(): void {
    if (!document.hidden) void refresh()
  }

  document.addEventListener('visibilitychange', tick)
  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', tick)
  })
  void refresh()
  return { value, problem, refresh }
}
