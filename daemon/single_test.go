package daemon

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Without cluster in its configuration an appliance has nothing of one: no goroutine, no file, no metric, no listener.
func TestASingleApplianceHasNothingOfACluster(t *testing.T) {
	r := start(t, testConfig)
	r.must("GET", "/readyz", "")
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if !strings.Contains(string(stacks), "plugtone/daemon.") {
		t.Fatal("the stacks do not show the daemon")
	}
	for _, name := range []string{"plugtone/daemon/cluster", "plugtone/store/etcd", "go.etcd.io/", "google.golang.org/grpc"} {
		if i := strings.Index(string(stacks), name); i >= 0 {
			t.Errorf("a goroutine of %s runs:\n%s", name, stacks[max(0, i-1000):min(len(stacks), i+500)])
		}
	}
	files, err := os.ReadDir(filepath.Join(r.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range files {
		found = found || f.Name() == "plugtone.db"
		if strings.Contains(f.Name(), "cluster") {
			t.Errorf("the file %s", f.Name())
		}
	}
	if !found {
		t.Errorf("%s is not the data directory: %v", r.dir, files)
	}
	if m := r.must("GET", "/metrics", ""); strings.Contains(m, "plugtone_cluster") {
		t.Error("metrics of a cluster")
	}
	if s := r.must("GET", "/api/v1/status", ""); strings.Contains(s, `"cluster"`) || strings.Contains(s, `"members"`) {
		t.Errorf("the status is %s", s)
	}
}
