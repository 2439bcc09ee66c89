import { configure } from "@testing-library/react";

// Machines are busy: what never comes ends a test, what is slow does not.
configure({ asyncUtilTimeout: 20_000 });

// JupyterLab's modules want a few things of a browser that jsdom lacks.
class Silent {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

Object.assign(globalThis, { ResizeObserver: Silent, IntersectionObserver: Silent });
// CodeMirror measures text by ranges; Lumino reads drag events.
Object.assign(globalThis, { DragEvent: globalThis.DragEvent ?? class extends MouseEvent {} });
// Widgets are drawn when a browser has time; themes ask what is preferred, and nothing is.
Object.assign(globalThis, {
  requestIdleCallback: (call: () => void) => setTimeout(call),
  cancelIdleCallback: (id: number) => clearTimeout(id),
  matchMedia: (media: string) => ({
    media,
    matches: false,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    addListener: () => undefined,
    removeListener: () => undefined,
  }),
});
