package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

var none = number(math.NaN())

func example() report {
	return report{
		Command: "go run ./bench/lab", Date: "2026-01-02", Seeds: []uint64{1, 2, 3}, Loads: []float64{0.5, 1, 5, 10},
		Models: []model{{
			Name: "pool", About: "16 workers & <a queue>",
			Rows: []row{
				{ours, []number{1, 0.99, 0.98, 0.985}, []number{0, 0.01, 0.8, 0.9}, []number{1, 1, 0.995, 0.5}},
				{"none", []number{1, 0.5, 0.01, 0}, []number{0.0002, 0, 0, 0}, []number{1, 0.5, none, 0}},
			},
		}},
		Transients: []transient{{
			Name: "spike", About: "10× for 10s", From: 20, To: 30,
			Rows: []course{
				{ours, 0.5, 0.97, 0.99, 1, []number{0, 1, 2}, []number{1, 0.9, 1}},
				{"none", none, 0.3, 0.2, 2.5, []number{0, 1, 2}, []number{1, none, 0}},
			},
		}},
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := example().writeText(&b); err != nil {
		t.Fatal(err)
	}
	want := `pool: 16 workers & <a queue>
  goodput at  0.5×    1×    5×   10×  false sheds  top class
  firebreak   1.00  0.99  0.98  0.98            0       0.99
  none        1.00  0.50  0.01  0.00       <0.1 %          –

  recovered after  spike
  firebreak        0.5 s
  none             never

  goodput meanwhile  spike
  firebreak           0.97
  none                0.30

  top class meanwhile  spike
  firebreak             0.99
  none                  0.20

spike: 10× for 10s

Means over seeds 1 to 3.
Goodput is what came in time, as a share of the most that the server can do, or of what was asked.
False sheds are the requests refused up to 0.8×, the worst load.
Top class is its goodput at 5× as a share of its requests, which alone would fit.
Over 1 is the goodput of clients who waited, or came again, until the server could do more.
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := example().writeHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if n := strings.Count(page, `<svg xmlns="http://www.w3.org/2000/svg" class="plot"`); n != 2 {
		t.Errorf("got %d plots, want 2", n)
	}
	for _, want := range []string{
		"2026-01-02", "seeds 1 to 3", "go run ./bench/lab", "16 workers &amp; &lt;a queue&gt;",
		`<td class="low">0.01</td>`, `<td class="low">never</td>`, `<td class="">&lt;0.1 %</td>`, `<td class="firebreak">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q in\n%s", want, page)
		}
	}
	for _, not := range []string{"<script", "href=", "src=", "url(", "@import", "NaN", "ZgotmplZ"} {
		if strings.Contains(page, not) {
			t.Errorf("got %q in\n%s", not, page)
		}
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmptyReport(t *testing.T) {
	var b bytes.Buffer
	if err := (report{}).writeHTML(&b); err != nil {
		t.Error(err)
	}
	if err := (report{}).writeText(&b); err != nil {
		t.Error(err)
	}
}

func TestJSON(t *testing.T) {
	out, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"goodput":[1,0.99,0.98,0.985]`, `"topClass":[1,0.5,null,0]`, `"recovery":null`, `"seeds":[1,2,3]`,
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("got %s, want %s in it", out, want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		share number
		want  string
	}{{0, "0.00"}, {0.995, "0.99"}, {1.04, "1.04"}, {1.2, "over 1"}, {none, "–"}} {
		if got := tt.share.share(); got != tt.want {
			t.Errorf("%v: got %q, want %q", float64(tt.share), got, tt.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		share number
		want  string
	}{{0, "0"}, {0.0001, "<0.1 %"}, {0.001, "0.1 %"}, {0.0123, "1.2 %"}, {0.5, "50 %"}, {none, "–"}} {
		if got := tt.share.percent(); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.share, got, tt.want)
		}
	}
}
