// Package plugins has handlers that call each other.
package plugins

import "context"

func wait(context.Context) {}

// A plugin calls the next one, which may be any: there are more ways through this net than
// can be gone.
type plugin interface {
	Serve(ctx context.Context)
	Scope(ctx context.Context) context.Context
}

func servesPlugins(first plugin) {
	first.Serve(context.Background())
}

type base struct{ next, last plugin }

type plugin0 struct{ base }

func (p plugin0) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin0) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin1 struct{ base }

func (p plugin1) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin1) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin2 struct{ base }

func (p plugin2) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin2) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin3 struct{ base }

func (p plugin3) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin3) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin4 struct{ base }

func (p plugin4) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin4) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin5 struct{ base }

func (p plugin5) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin5) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin6 struct{ base }

func (p plugin6) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin6) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin7 struct{ base }

func (p plugin7) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin7) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin8 struct{ base }

func (p plugin8) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin8) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin9 struct{ base }

func (p plugin9) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin9) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin10 struct{ base }

func (p plugin10) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin10) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin11 struct{ base }

func (p plugin11) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin11) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin12 struct{ base }

func (p plugin12) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin12) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin13 struct{ base }

func (p plugin13) Serve(ctx context.Context) {
	wait(ctx) // is param, param, open
	p.next.Serve(p.last.Scope(ctx))
}

func (p plugin13) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin14 struct{ base }

func (p plugin14) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin14) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin15 struct{ base }

func (p plugin15) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin15) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin16 struct{ base }

func (p plugin16) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin16) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin17 struct{ base }

func (p plugin17) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin17) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin18 struct{ base }

func (p plugin18) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin18) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }

type plugin19 struct{ base }

func (p plugin19) Serve(ctx context.Context)                 { p.next.Serve(p.last.Scope(ctx)) }
func (p plugin19) Scope(ctx context.Context) context.Context { return p.next.Scope(p.last.Scope(ctx)) }
