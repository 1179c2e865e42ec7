import { fileURLToPath } from 'node:url'

import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

/** Where a running platform answers; only the development server asks it, the built console has the same origin. */
const platform = process.env.INTELLYHUB_URL ?? 'http://127.0.0.1:5000'

export default defineConfig({
  plugins: [vue()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: {
    __VUE_OPTIONS_API__: 'false',
    __VUE_I18N_FULL_INSTALL__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false',
  },
  build: {
    target: 'es2022',
    // A data: address would need a hole in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // A page asks for a handful of files, not for one per component; what is large and rare stays apart.
        codeSplitting: {
          groups: [
            { name: 'vue', test: /node_modules\/(@?vue|@intlify|openapi-fetch|@lucide|reka-ui|@floating-ui|aria-hidden)/, tags: ['$initial'] },
            { name: 'console', test: /\/src\/(api|session|shell|ui|flows|runs)\//, minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: { proxy: { '/api': platform, '/hooks': platform, '/events': platform } },
  test: { pool: 'threads', include: ['src/**/*.test.ts', 'tests/**/*.test.ts'] },
})
