package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/internal/plot"
)

// parse fails the test if the SVG is not well-formed, and returns its texts and
// the values of its attributes by name.
func parse(t *testing.T, svg string) (texts []string, attrs map[string][]string) {
	t.Helper()
	attrs = make(map[string][]string)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts, attrs
		}
		if err != nil {
			t.Fatalf("got %v in\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				attrs[a.Name.Local] = append(attrs[a.Name.Local], a.Value)
			}
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" && !strings.HasPrefix(text, ".plot") {
				texts = append(texts, text)
			}
		}
	}
}

func points(values ...float64) []plot.Point {
	var ps []plot.Point
	for i, v := range values {
		ps = append(ps, plot.Point{X: float64(i), Y: v})
	}
	return ps
}

func full() plot.Chart {
	return plot.Chart{
		Title: "Goodput",
		X:     plot.Axis{Label: "load", Unit: "×", Log: true, Ticks: []float64{0.5, 1, 2, 5, 10}},
		Y:     plot.Axis{Label: "share of ideal", Max: 1.1},
		Lines: []plot.Line{
			{Name: "ours", Bold: true, Marks: true, Points: []plot.Point{{0.5, 1}, {1, 0.99}, {10, 0.98}}},
			{Name: "theirs", Marks: true, Points: []plot.Point{{0.5, 1}, {1, 0.8}, {10, 0.1}}},
		},
		Spans: []plot.Span{{From: 1, To: 2, Label: "trouble"}},
	}
}

func TestChartShowsItsParts(t *testing.T) {
	texts, attrs := parse(t, full().SVG())
	got := "|" + strings.Join(texts, "|") + "|"
	for _, want := range []string{"Goodput", "load", "share of ideal", "0.5×", "1×", "2×", "5×", "10×", "0", "0.4", "1", "ours", "theirs", "trouble"} {
		if !strings.Contains(got, "|"+want+"|") {
			t.Errorf("got texts %s, want %q among them", got, want)
		}
	}
	if label := attrs["aria-label"]; len(label) != 1 || label[0] != "Goodput" {
		t.Errorf("got label %q, want Goodput", label)
	}
	named := full()
	named.Name = "Goodput of a pool"
	if _, attrs := parse(t, named.SVG()); attrs["aria-label"][0] != named.Name {
		t.Errorf("got label %q, want %q", attrs["aria-label"], named.Name)
	}
	if n := strings.Count(full().SVG(), `class="plot-span"`); n != 1 {
		t.Errorf("got %d spans, want 1", n)
	}
}

func TestNothingComesFromOutside(t *testing.T) {
	svg := strings.ReplaceAll(full().SVG(), `xmlns="http://www.w3.org/2000/svg"`, "")
	for _, not := range []string{"http", "//", "<script", "url(", "@import", " id="} {
		if strings.Contains(svg, not) {
			t.Errorf("got %q in\n%s", not, svg)
		}
	}
}

func TestEqualChartsGiveEqualBytes(t *testing.T) {
	if a, b := full().SVG(), full().SVG(); a != b {
		t.Errorf("got\n%s\nand\n%s", a, b)
	}
}

func TestTextIsEscaped(t *testing.T) {
	const text = `<script>&"'` + "\x00\xff"
	c := full()
	c.Title, c.X.Label, c.Y.Label, c.X.Unit, c.Lines[0].Name, c.Spans[0].Label = text, text, text, text, text, text
	texts, _ := parse(t, c.SVG())
	found := 0
	for _, got := range texts {
		if strings.Contains(got, `<script>&"'`) {
			found++
		}
	}
	if found < 8 { // the title, both labels, the span, the line twice, and some ticks
		t.Errorf("got %d texts as they were given, want 8 or more: %q", found, texts)
	}
}

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func TestHarmlessInput(t *testing.T) {
	for name, c := range map[string]plot.Chart{
		"zero":            {},
		"no lines":        {Title: "t", Spans: []plot.Span{{From: 0, To: 1}}},
		"no points":       {Lines: []plot.Line{{Name: "a"}}},
		"not numbers":     {Lines: []plot.Line{{Name: "a", Marks: true, Points: points(nan, inf, -inf)}}, Spans: []plot.Span{{From: nan, To: inf}}},
		"log of nothing":  {X: plot.Axis{Log: true}, Y: plot.Axis{Log: true}, Lines: []plot.Line{{Points: []plot.Point{{0, 0}, {-1, -1}}}}},
		"nan limits":      {X: plot.Axis{Min: nan, Max: inf}, Y: plot.Axis{Min: 5, Max: 1}, Lines: []plot.Line{{Points: points(1, 2)}}},
		"nan ticks":       {X: plot.Axis{Ticks: []float64{nan, inf, 1}}, Lines: []plot.Line{{Points: points(1, 2)}}},
		"one point":       {Lines: []plot.Line{{Name: "a", Marks: true, Points: points(3)}}},
		"one value":       {Lines: []plot.Line{{Points: points(3, 3, 3)}}},
		"huge":            {Lines: []plot.Line{{Points: points(-math.MaxFloat64, math.MaxFloat64, 1)}}},
		"huge log":        {Y: plot.Axis{Log: true}, Lines: []plot.Line{{Points: points(math.SmallestNonzeroFloat64, math.MaxFloat64, 1e-140, 1e140)}}},
		"close":           {Lines: []plot.Line{{Points: points(1e16, 1e16+2)}}},
		"tiny":            {Width: 1, Height: 1, Lines: []plot.Line{{Name: strings.Repeat("long ", 50), Points: points(1, 2)}}},
		"negative size":   {Width: -1, Height: -1, Lines: []plot.Line{{Points: points(1, 2)}}},
		"span out of it":  {Lines: []plot.Line{{Points: points(1, 2)}}, Spans: []plot.Span{{From: 7, To: 9}, {From: 1, To: -3}}},
		"far out of axis": {Y: plot.Axis{Max: 1}, Lines: []plot.Line{{Points: points(0, 1e100, -1e100)}}},
	} {
		t.Run(name, func(t *testing.T) {
			svg := c.SVG()
			parse(t, svg)
			if bad := regexp.MustCompile(`NaN|Inf|\d[eE][+-]?\d|="-?\d{7,}`).FindString(withoutTexts(svg)); bad != "" {
				t.Errorf("got %q in\n%s", bad, svg)
			}
		})
	}
}

// withoutTexts removes what may be any text: the contents of text elements and the
// style.
func withoutTexts(svg string) string {
	svg = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(svg, "")
	return regexp.MustCompile(`>[^<]*<`).ReplaceAllString(svg, "><")
}

func TestEmptyChartSaysSo(t *testing.T) {
	for name, tt := range map[string]struct {
		chart plot.Chart
		want  bool
	}{
		"nothing":      {plot.Chart{}, true},
		"not a number": {plot.Chart{Lines: []plot.Line{{Points: points(nan)}}}, true},
		"a point":      {plot.Chart{Lines: []plot.Line{{Points: points(1)}}}, false},
	} {
		if got := strings.Contains(tt.chart.SVG(), "no data"); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestGapWhereThereIsNoNumber(t *testing.T) {
	c := plot.Chart{Lines: []plot.Line{{Points: points(1, 2, nan, 2, 1)}}}
	d := regexp.MustCompile(`class="plot-line plot-0" d="([^"]*)"`).FindStringSubmatch(c.SVG())
	if len(d) < 2 || strings.Count(d[1], "M") != 2 || strings.Count(d[1], "L") != 2 {
		t.Errorf("got %q, want two pieces of two points", d)
	}
}

func TestBoldLineIsOverTheOthers(t *testing.T) {
	svg := full().SVG()
	if ours, theirs := strings.Index(svg, "plot-line plot-b"), strings.Index(svg, "plot-line plot-0"); ours < theirs {
		t.Errorf("got ours at %d and theirs at %d, want ours last", ours, theirs)
	}
}

func TestLinesKeepTheirLooksBesideABoldOne(t *testing.T) {
	with := full()
	without := full()
	without.Lines = without.Lines[1:]
	look := regexp.MustCompile(`class="(plot-line plot-\w)"[^>]*><title>theirs`)
	a, b := look.FindStringSubmatch(with.SVG()), look.FindStringSubmatch(without.SVG())
	if a == nil || b == nil || a[1] != b[1] {
		t.Errorf("got %q and %q, want the same", a, b)
	}
}

func FuzzSVG(f *testing.F) {
	f.Add("a", 1.0, 2.0, 3.0, 0.0, 0.0, true)
	f.Add("<&>", nan, inf, -1.0, 1.0, -1.0, false)
	f.Fuzz(func(t *testing.T, name string, a, b, c, low, high float64, log bool) {
		chart := plot.Chart{
			Title: name,
			X:     plot.Axis{Log: log, Unit: name},
			Y:     plot.Axis{Log: !log, Min: low, Max: high},
			Lines: []plot.Line{{Name: name, Marks: true, Points: []plot.Point{{a, b}, {b, c}, {c, a}}}},
			Spans: []plot.Span{{From: a, To: b, Label: name}},
		}
		svg := chart.SVG()
		parse(t, svg)
		if bad := regexp.MustCompile(`"[^"]*(NaN|Inf)`).FindString(regexp.MustCompile(`aria-label="[^"]*"`).ReplaceAllString(withoutTexts(svg), "")); bad != "" {
			t.Errorf("got %q in\n%s", bad, svg)
		}
	})
}
