import type { Messages } from './index'

declare module 'vue-i18n' {
  export interface DefineLocaleMessage extends Messages {}
}
