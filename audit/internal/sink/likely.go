package sink

import (
	"go/types"
	"slices"
	"strings"
	"unicode"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
)

// verbs are what is done to a peer. A name counts by its first word.
var verbs = words(`
	ack acknowledge add authenticate authorize batch call cancel check claim commit complete connect copy count create
	decrypt delete describe dial do download encrypt enqueue exchange exec execute fetch find
	generate get head import insert invoke invalidate issue list login lookup modify notify patch ping post publish pull
	push put query refresh register remove rename renew replace request resolve revoke save scan search select
	send sign store submit sync translate update upload upsert validate verify write`)

// peers are the last words of the names of types that stand for a peer.
var peers = words(`
	api bot bucket channel client cluster collection conn connection container database db endpoint fetcher gateway
	handle producer provider publisher queue registry remote repository resolver sender server service session
	storage store svc table topic transport uploader downloader`)

func words(text string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// looksBlocking reports whether a method of a library of which nothing is known is likely
// to wait for a peer.
func (f *Finder) looksBlocking(fn *types.Func) bool {
	sig := fn.Signature()
	results := sig.Results()
	if sig.Params().Len() == 0 || !ctxflow.IsContext(sig.Params().At(0).Type()) || results.Len() == 0 || !isError(results.At(results.Len()-1).Type()) {
		return false
	}
	if sig.Recv() == nil || isStandard(fn.Pkg().Path()) {
		return false
	}
	split := wordsOf(fn.Name())
	if len(split) == 0 || !verbs[split[0]] {
		return false
	}
	owner := wordsOf(receiverName(fn))
	if len(owner) == 0 || !peers[owner[len(owner)-1]] {
		return false
	}
	return f.canReachNetwork(fn.Pkg())
}

func isError(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }

// isStandard reports whether a package is of the standard library.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// canReachNetwork reports whether pkg imports the network, directly or not.
func (f *Finder) canReachNetwork(pkg *types.Package) bool {
	if known, ok := f.networks[pkg]; ok {
		return known
	}
	f.networks[pkg] = false // for cycles, of which there are none
	switch pkg.Path() {
	case "net", "net/http", "google.golang.org/grpc", "database/sql":
		f.networks[pkg] = true
		return true
	}
	reaches := slices.ContainsFunc(pkg.Imports(), f.canReachNetwork)
	f.networks[pkg] = reaches
	return reaches
}

func receiverName(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if named, ok := types.Unalias(deref(recv.Type())).(*types.Named); ok {
		return named.Obj().Name()
	}
	return ""
}

// wordsOf splits a name such as getURLOf into get, url, of.
func wordsOf(name string) []string {
	var split []string
	runes := []rune(name)
	start := 0
	for i := 1; i <= len(runes); i++ {
		if i == len(runes) || unicode.IsUpper(runes[i]) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			split = append(split, strings.ToLower(string(runes[start:i])))
			start = i
		}
	}
	return split
}
