/** The addresses of the console; every page is fetched when it is first opened. */
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

import { currentToken } from '@/api/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Key below `titles` of the page's title. */
    title?: 'signIn' | 'register' | 'flows' | 'flow' | 'runs' | 'run' | 'deadLetters' | 'notFound'
    /** Shown to people who are not signed in. */
    open?: boolean
  }
}

const routes: RouteRecordRaw[] = [
  {
    path: '/sign-in',
    name: 'sign-in',
    component: () => import('@/session/SignInPage.vue'),
    meta: { title: 'signIn', open: true },
  },
  {
    path: '/register',
    name: 'register',
    component: () => import('@/session/RegisterPage.vue'),
    meta: { title: 'register', open: true },
  },
  {
    path: '/',
    component: () => import('@/shell/AppShell.vue'),
    children: [
      { path: '', redirect: '/flows' },
      { path: 'flows', name: 'flows', component: () => import('@/flows/FlowsPage.vue'), meta: { title: 'flows' } },
      {
        path: 'flows/:flow/:tab(runs|versions|builds|call)?',
        name: 'flow',
        component: () => import('@/flow/FlowPage.vue'),
        meta: { title: 'flow' },
      },
      { path: 'runs', name: 'runs', component: () => import('@/runs/RunsPage.vue'), meta: { title: 'runs' } },
      { path: 'runs/:run', name: 'run', component: () => import('@/run/RunPage.vue'), meta: { title: 'run' } },
      {
        path: 'dead-letters',
        name: 'dead-letters',
        component: () => import('@/deadletters/DeadLettersPage.vue'),
        meta: { title: 'deadLetters' },
      },
      {
        path: ':missing(.*)*',
        name: 'not-found',
        component: () => import('@/shell/NotFoundPage.vue'),
        meta: { title: 'notFound' },
      },
    ],
  },
]

export const router = createRouter({
  history: createWebHistory(),
  routes,
  // What changes the query only, as opening a step does, leaves the page where it is.
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
})

router.beforeEach((to) => {
  if (to.meta.open || currentToken.value) return true
  return { name: 'sign-in', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
})
