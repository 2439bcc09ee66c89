// JupyterLab's modules want a few things of a browser that jsdom lacks.
class Silent {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

Object.assign(globalThis, { ResizeObserver: Silent, IntersectionObserver: Silent });
// CodeMirror measures text by ranges; Lumino reads drag events.
Object.assign(globalThis, { DragEvent: globalThis.DragEvent ?? class extends MouseEvent {} });
