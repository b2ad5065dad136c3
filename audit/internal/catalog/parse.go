package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Parse reads a Table from YAML. file is for messages only, which name the line.
func Parse(file string, text []byte) (*Catalog, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var table Table
	if err := decoder.Decode(&table); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if table.Version != Version {
		return nil, fmt.Errorf("%s: version is %d, want %d", file, table.Version, Version)
	}
	c, err := New(table.Libraries...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}
