package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
)

// readme is the page in which every block of Go needs a source.
const readme = "README.md"

func main() {
	write := flag.Bool("w", false, "rewrite the blocks from their sources")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "readmecheck: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	os.Exit(run(".", *write, os.Stdout))
}

// run checks, or with write rewrites, the pages of the repository at dir. It
// returns the exit status.
func run(dir string, write bool, out io.Writer) int {
	root, err := os.OpenRoot(dir)
	if err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	defer root.Close()
	names, err := pages(root)
	if err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	status, blocks := 0, 0
	for _, name := range names {
		p, err := readPage(root, name)
		if err == nil && write && p.fixed != p.text {
			fmt.Fprintf(out, "%s: rewritten\n", name)
			if err = root.WriteFile(name, []byte(p.fixed), 0o600); err == nil {
				p, err = readPage(root, name)
			}
		}
		if err != nil {
			fmt.Fprintln(out, err)
			return 1
		}
		blocks += p.sourced
		for _, problem := range p.problems {
			fmt.Fprintln(out, problem)
			status = 1
		}
	}
	if status == 0 {
		fmt.Fprintf(out, "readmecheck: %d pages, %d blocks equal to their sources\n", len(names), blocks)
	}
	return status
}

// pages returns README.md and the pages under docs, which may be missing. The
// names use slashes and are relative to root.
func pages(root *os.Root) ([]string, error) {
	if _, err := root.Stat(readme); err != nil {
		return nil, err
	}
	names := []string{readme}
	err := fs.WalkDir(root.FS(), "docs", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && path.Ext(name) == ".md" {
			names = append(names, name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	slices.Sort(names[1:])
	return names, nil
}
