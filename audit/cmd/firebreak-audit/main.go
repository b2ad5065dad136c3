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
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/firebreak-go/firebreak/audit"
	"github.com/firebreak-go/firebreak/audit/internal/config"
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
		if os.Args[1] == "-V=full" {
			if err := printIdentity(os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, "firebreak-audit:", err)
				os.Exit(exitUsage)
			}
			return
		}
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

// printIdentity says in a line, in the form that the go command demands, what the results
// of go vet depend on: it remembers them for the same tool, flags and code. That is the
// program and the configuration; of a file that a flag names it is the flag alone.
func printIdentity(w io.Writer) error {
	name, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	sum := sha256.New()
	for _, file := range []string{name, config.Find(dir)} {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%d %s", len(text), text)
	}
	_, err = fmt.Fprintf(w, "firebreak-audit version devel buildID=%x\n", sum.Sum(nil))
	return err
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
