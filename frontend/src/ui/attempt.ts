/** What a person asks for: one thing at a time, and a fault is told. */
import { ref, type Ref } from 'vue'

import { toastFault } from './toasts'

export interface Attempt {
  busy: Readonly<Ref<boolean>>
  /** Do it unless the one before is under way; never throws. */
  attempt: (action: () => Promise<void>) => Promise<void>
}

export function useAttempt(tell: (fault: unknown) => void = toastFault): Attempt {
  const busy = ref(false)

  async function attempt(action: () => Promise<void>): Promise<void> {
    if (busy.value) return
    busy.value = true
    try {
      await action()
    } catch (fault) {
      tell(fault)
    } finally {
      busy.value = false
    }
  }

  return { busy, attempt }
}
