/** The text one works on: kept for the tab until it is published, and looked at by the platform as one types. */
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'

import { validateFlow } from '@/api/flows'
import type { Flow, FlowProblem, Graph } from '@/api/model'
import { toProblem, type ApiProblem } from '@/api/problem'

const PAUSE_MS = 500

export interface Draft {
  text: Ref<string>
  isChanged: Readonly<Ref<boolean>>
  problems: Readonly<Ref<readonly FlowProblem[]>>
  /** The machine of the last text that could be read. */
  graph: Readonly<Ref<Graph | null>>
  /** The text has changed since the problems were found. */
  isChecking: Readonly<Ref<boolean>>
  /** Why the text could not be looked at. */
  fault: Readonly<Ref<ApiProblem | undefined>>
}

export function useDraft(flow: Readonly<Ref<Flow | undefined>>): Draft {
  const text = ref('')
  const problems = shallowRef<readonly FlowProblem[]>([])
  const graph = shallowRef<Graph | null>(null)
  const isChecking = ref(false)
  const fault = shallowRef<ApiProblem>()
  const published = computed(() => flow.value?.yaml_content ?? '')
  const isChanged = computed(() => text.value !== published.value)
  let shown: { id: string; published: string } | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking: AbortController | undefined

  watch(flow, follow, { immediate: true })
  watch(text, () => {
    keep()
    stop()
    isChecking.value = true
    timer = setTimeout(check, PAUSE_MS)
  })
  onScopeDispose(stop)

  /** Show a flow that came; a newer published text takes the place of one that nobody has touched. */
  function follow(now: Flow | undefined): void {
    if (!now) return
    const untouched = shown?.id === now.id && text.value === shown.published
    if (shown?.id !== now.id || (untouched && shown.published !== now.yaml_content)) {
      const first = shown?.id !== now.id
      text.value = (first && sessionStorage.getItem(keyOf(now.id))) || now.yaml_content
      problems.value = now.problems
      graph.value = now.graph
    }
    shown = { id: now.id, published: now.yaml_content }
    keep()
  }

  function keep(): void {
    if (!shown) return
    if (isChanged.value) sessionStorage.setItem(keyOf(shown.id), text.value)
    else sessionStorage.removeItem(keyOf(shown.id))
  }

  async function check(): Promise<void> {
    const request = (asking = new AbortController())
    try {
      const found = await validateFlow(text.value, request.signal)
      problems.value = found.problems
      if (found.graph) graph.value = found.graph
      fault.value = undefined
    } catch (cause) {
      if (request.signal.aborted) return
      fault.value = toProblem(cause)
    }
    isChecking.value = false
  }

  function stop(): void {
    clearTimeout(timer)
    asking?.abort()
  }

  return { text, isChanged, problems, graph, isChecking, fault }
}

function keyOf(id: string): string {
  return `intellyhub.draft.${id}`
}
