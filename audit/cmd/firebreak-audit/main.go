// Command firebreak-audit finds calls and servers without a timeout.
//
//	firebreak-audit [flags] [packages]            audit the packages, ./... by default
//	firebreak-audit explain TA102                 say what a rule finds, and what is right
//	firebreak-audit merge -runtime r.json [flags] [packages]
//	                                              audit, and confirm what a running service showed
//	go vet -vettool=$(which firebreak-audit) ./...
//
// The exit code is 0 if nothing was found at the level of -fail-on or above, 1 if something
// was, 2 if the command line, the configuration or the baseline is wrong, no package
// matches or a file cannot be written, and 3 if packages could not be loaded; what was
// found in the others is printed all the same.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/firebreak-go/firebreak/audit"
)

// The exit codes.
const (
	exitClean    = 0
	exitFindings = 1
	exitUsage    = 2
	exitLoad     = 3
)

func main() {
	if underVet(os.Args[1:]) {
		unitchecker.Main(audit.Analyzer) // does not return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	c := command{stdout: os.Stdout, stderr: os.Stderr, terminal: isTerminal(os.Stderr)}
	code := c.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// underVet reports whether go vet, which speaks to its tools in a way of its own, wrote
// the arguments.
func underVet(args []string) bool {
	return len(args) > 0 && (strings.HasSuffix(args[len(args)-1], ".cfg") || slices.Contains(args, "-flags") || strings.HasPrefix(args[0], "-V="))
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
