package catalog_test

import (
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
)

func TestDefault(t *testing.T) {
	versions := map[string]string{"cloud.google.com/go/pubsub": "v1.10.0", "cloud.google.com/go/pubsub/v2": "v2.0.0"}
	versionOf := func(path string) string { return versions[path] }
	for _, test := range []struct {
		path, name string
		want       catalog.Class
	}{
		{"database/sql", "DB.QueryContext", catalog.Blocks},
		{"database/sql", "DB.Query", ""},
		{"github.com/redis/go-redis/v9", "cmdable.Get", catalog.Bounded},
		{"github.com/redis/go-redis/v9", "cmdable.BLPop", catalog.Endless},
		{"k8s.io/client-go/kubernetes/typed/core/v1", "PodInterface.Get", catalog.Bounded},
		{"k8s.io/client-go/tools/leaderelection", "RunOrDie", catalog.Endless},
		{"golang.org/x/oauth2", "Config.Client", catalog.Keeps},
		{"golang.org/x/oauth2", "Config.Exchange", catalog.Blocks},
		{"github.com/coreos/go-oidc/v3/oidc", "NewProvider", catalog.Blocks},
		{"github.com/rabbitmq/amqp091-go", "Channel.PublishWithContext", catalog.Ignores},
		{"github.com/gomodule/redigo/redis", "Dial", catalog.Unlimited},
		{"cloud.google.com/go/pubsub", "Topic.Exists", catalog.Blocks},
		{"cloud.google.com/go/pubsub/v2", "Topic.Exists", catalog.Bounded},
		{"github.com/nobody/nothing", "Client.Get", ""},
	} {
		var got catalog.Class
		if entry := catalog.Default().Named(test.path, test.name, versionOf); entry != nil {
			got = entry.Is
		}
		if got != test.want {
			t.Errorf("%s %s: got %q, want %q", test.path, test.name, got, test.want)
		}
	}
}

func TestUnknownVersionIsTheNewest(t *testing.T) {
	entry := catalog.Default().Named("cloud.google.com/go/pubsub", "Topic.Exists", nil)
	if entry == nil || entry.Is != catalog.Bounded {
		t.Errorf("got %v, want an entry that is bounded", entry)
	}
}

func TestWith(t *testing.T) {
	own, err := catalog.Default().With(catalog.Library{
		Packages: []string{"golang.org/x/oauth2"},
		Calls:    []catalog.Entry{{Names: []string{"Config.Exchange"}, Is: catalog.Bounded}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := own.Named("golang.org/x/oauth2", "Config.Exchange", nil).Is; got != catalog.Bounded {
		t.Errorf("own entry: got %q, want bounded", got)
	}
	if got := own.Named("golang.org/x/oauth2", "Config.Client", nil).Is; got != catalog.Keeps {
		t.Errorf("entry that comes with the auditor: got %q, want keeps", got)
	}
}

func TestPatterns(t *testing.T) {
	parsed, err := catalog.Parse("own.yaml", []byte(`
version: 1
libraries:
- packages: [example.com/*/deep/..., example.com/flat]
  versions: ">=v1.2.0 <v2.0.0"
  calls:
  - names: [Client.*Context, "Get*All"]
    is: blocks
`))
	if err != nil {
		t.Fatal(err)
	}
	version := "v1.5.0"
	for _, test := range []struct {
		path, name, version string
		want                bool
	}{
		{"example.com/a/deep", "Client.GetContext", version, true},
		{"example.com/a/deep/er/still", "Client.Context", version, true},
		{"example.com/a/b/deep", "Client.GetContext", version, false},
		{"example.com/a", "Client.GetContext", version, false},
		{"example.com/flat/er", "Client.GetContext", version, false},
		{"example.com/flat", "GetAll", version, true},
		{"example.com/flat", "GetThemAll", version, true},
		{"example.com/flat", "GetThem", version, false},
		{"example.com/flat", "Client.Get", version, false},
		{"example.com/flat", "GetAll", "v1.1.9", false},
		{"example.com/flat", "GetAll", "v1.2.0", true},
		{"example.com/flat", "GetAll", "v2.0.0", false},
		{"example.com/flat", "GetAll", "v2.0.0-rc.1", true},
		{"example.com/flat", "GetAll", "v1.2.0-0.20200101000000-0123456789ab", false},
		{"example.com/flat", "GetAll", "v1.10.3+incompatible", true},
		{"example.com/flat", "GetAll", "", false},
	} {
		got := parsed.Named(test.path, test.name, func(string) string { return test.version }) != nil
		if got != test.want {
			t.Errorf("%s %s at %q: got %v, want %v", test.path, test.name, test.version, got, test.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"version: 2", "own.yaml: version is 2, want 1"},
		{"version: 1\nlibrarys: []", "line 2: field librarys not found"},
		{"version: 1\nlibraries:\n- calls: []", "packages is empty, want import paths"},
		{"version: 1\nlibraries:\n- packages: [a]\n  calls:\n  - is: blocks", "a call of a has no names"},
		{"version: 1\nlibraries:\n- packages: [a]\n  calls:\n  - names: [B]\n    is: bad", `its class is "bad", want one of [blocks`},
		{"version: 1\nlibraries:\n- packages: [a]\n  calls:\n  - names: [B]\n    is: blocks\n    severity: grave", `severity is "grave", want low`},
		{"version: 1\nlibraries:\n- packages: [a]\n  calls:\n  - names: [B]\n    is: unlimited", "options is empty"},
		{"version: 1\nlibraries:\n- packages: [a]\n  versions: 1.2\n  calls: []", `"1.2", want comparisons such as`},
	} {
		_, err := catalog.Parse("own.yaml", []byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.text, err, test.want)
		}
	}
}
