import './styles/tokens.css'
import './styles/elements.css'
import './styles/controls.css'

import { createApp } from 'vue'

import { onExpired } from '@/api/session'
import App from '@/App.vue'
import { chooseLocale, i18n, preferredLocale } from '@/i18n'
import { router } from '@/router'
import { followTheme } from '@/shell/theme'

followTheme()
onExpired(() => {
  const { fullPath } = router.currentRoute.value
  void router.replace({ name: 'sign-in', query: { next: fullPath, expired: '1' } })
})
await chooseLocale(preferredLocale())
createApp(App).use(i18n).use(router).mount('#app')
