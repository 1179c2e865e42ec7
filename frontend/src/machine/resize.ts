/** Tells when an element changes its size. */
import { onScopeDispose, watch, type ShallowRef } from 'vue'

export function useResizeObserver(element: Readonly<ShallowRef<HTMLElement | null>>, onResize: () => void): void {
  const observer = new ResizeObserver(() => onResize())
  watch(element, (found, _before, onCleanup) => {
    if (!found) return
    observer.observe(found)
    onCleanup(() => observer.unobserve(found))
  })
  onScopeDispose(() => observer.disconnect())
}
