package recordlog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
	"plugtone/store/etcd"
	"plugtone/store/etcd/etcdtest"
	"plugtone/store/records"
	"plugtone/store/seal"
	"plugtone/store/storetest"
)

func TestMain(m *testing.M) { etcdtest.Main(m) }

var (
	mac  = storetest.MAC
	addr = storetest.Addr
	must = storetest.Must
)

// clusterKey is the key of all members of a test.
var clusterKey = seal.New()

func schema() uint64 { return records.Spec().Schema.Version }

// member is one copy of the records.
type member struct {
	t         *testing.T
	name, dir string
	client    *etcd.Client
	connected func() error
	others    []etcd.Member // nil: they are not known
	commit    func(commit func() error) error
	schema    uint64 // that it registers and writes

	*records.DB
	log  *Log
	file *dbfile.File
	stop func()
}

// newMember opens a copy without following.
func newMember(t *testing.T, client *etcd.Client, name string) *member {
	t.Helper()
	m := &member{t: t, name: name, dir: t.TempDir(), client: client, connected: func() error { return nil }, others: []etcd.Member{}, schema: schema()}
	m.open()
	return m
}

func (m *member) open() {
	m.t.Helper()
	path := filepath.Join(m.dir, records.FileName)
	opened, err := dbfile.Open(path, records.Spec(), m.dir, false, dbfile.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler), Keys: ownKey(m), Commit: m.commit,
		NoSync: true, Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}), Damaged: prometheus.NewCounter(prometheus.CounterOpts{})})
	must(m.t, err)
	m.file = opened.File
	m.DB, err = records.New(m.file, time.Now, slog.New(slog.DiscardHandler), false)
	must(m.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	m.log = New(ctx, Config{Etcd: m.client, Keys: clusterKey, Records: records.Copy{DB: m.DB}, Member: m.name, Schema: m.schema, Connected: func() error { return m.connected() },
		Members: func() ([]etcd.Member, bool) { return m.others, m.others != nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	m.stop = func() { cancel(); must(m.t, m.file.Close()); m.stop = func() {} }
	m.t.Cleanup(func() { m.stop() })
}

// ownKey is the key of a member's own file.
func ownKey(m *member) *seal.Ring {
	path := filepath.Join(m.dir, seal.FileName)
	keys, err := seal.Read(path)
	if err != nil {
		keys = seal.New()
		must(m.t, keys.Write(path))
	}
	return keys
}

// follow makes the copy follow, and waits until it does.
func (m *member) follow() *member {
	m.t.Helper()
	m.start()
	m.until("follows", func() bool { return m.log.Status().Problem == nil })
	return m
}

func (m *member) start() {
	records.Copy{DB: m.DB}.Replicate(m.log, nil)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(m.log.ctx)
	go func() { defer close(done); m.log.Run(ctx) }()
	stop := m.stop
	m.stop = func() { cancel(); <-done; stop() }
}

// restart closes the copy and opens it again.
func (m *member) restart() {
	m.t.Helper()
	m.stop()
	m.open()
}

// until waits for what other goroutines do.
func (m *member) until(what string, ok func() bool) {
	m.t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	m.t.Fatalf("%s: not %s: %+v", m.name, what, m.log.Status())
}

// dump returns all replicated records.
func (m *member) dump() string {
	m.t.Helper()
	var out bytes.Buffer
	must(m.t, m.file.View(func(tx dbfile.Tx) error {
		_, err := tx.Each(records.Replicated, func(r dbfile.Mutation) error {
			fmt.Fprintf(&out, "%s %q %q\n", r.Table, r.Key, r.Payload)
			return nil
		})
		return err
	}))
	return out.String()
}

// put writes a device.
func (m *member) put(n int, label string) error {
	return m.Edit("tester", "put", func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: mac(n), Label: label, ReservedIP: addr(n)})
	})
}

// catchUp brings the copy up to the log, as a write does that came after others.
func (m *member) catchUp() error {
	done, err := m.log.CatchUp(1)
	if done != nil {
		done()
	}
	return err
}

// labels returns the label of each device.
func (m *member) labels() map[int]string {
	m.t.Helper()
	out := map[int]string{}
	must(m.t, m.View(func(v fleet.View) error {
		for d, err := range v.Devices(zeroMAC) {
			must(m.t, err)
			out[int(d.MAC[3])<<16|int(d.MAC[4])<<8|int(d.MAC[5])] = d.Label
		}
		return nil
	}))
	return out
}

// same waits until all members have the same records as the first.
func same(t *testing.T, members ...*member) {
	t.Helper()
	for _, m := range members {
		must(t, m.catchUp())
	}
	for _, m := range members[1:] {
		if a, b := members[0].dump(), m.dump(); a != b {
			t.Fatalf("%s and %s differ:\n%.2000s\n---\n%.2000s", members[0].name, m.name, a, b)
		}
	}
}

// newCluster returns members that follow the records of the first, which has device 1.
func newCluster(t *testing.T, e *etcdtest.Cluster, names ...string) (all []*member) {
	t.Helper()
	for i, name := range names {
		m := newMember(t, e.Client(t), name)
		if i == 0 {
			must(t, m.put(1, "first"))
			must(t, Import(t.Context(), m.log, false, false))
		}
		all = append(all, m.follow())
	}
	return all
}

// interrupted returns a client whose connection breaks when etcd sends its answer number n, which does not arrive.
func interrupted(t *testing.T, e *etcdtest.Cluster, n int) *etcd.Client {
	packet := 0
	return interruptedWhen(t, e, func() bool { packet++; return packet > n+4 }) // the first packets are settings of HTTP/2
}

// interruptedWhileStaging returns a client whose connection breaks when etcd has the first part of a further change, the answer to which does not
// arrive.
func interruptedWhileStaging(t *testing.T, e *etcdtest.Cluster, m *member) *etcd.Client {
	before := staged(t, m)
	return interruptedWhen(t, e, func() bool {
		r, err := m.client.Get(t.Context(), stagedPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err != nil || r.Count > before
	})
}

// interruptedWhen returns a client that receives nothing from etcd any more once cut holds, which is called before each packet.
func interruptedWhen(t *testing.T, e *etcdtest.Cluster, cut func() bool) *etcd.Client {
	return etcdtest.Client(t, "http://"+cutProxy(t, strings.TrimPrefix(e.Endpoints()[0], "http://"), cut))
}

// cutProxy passes connections on. It drops what the server sends once cut holds, and takes no further connection.
func cutProxy(t *testing.T, to string, cut func() bool) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		_ = l.Close()
		server, err := net.Dial("tcp4", to)
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
		buffer := make([]byte, 64<<10)
		for isCut := false; ; {
			size, err := server.Read(buffer)
			if err != nil {
				break
			}
			if isCut = isCut || cut(); !isCut {
				_, _ = client.Write(buffer[:size])
			}
		}
		_ = client.Close()
	}()
	return l.Addr().String()
}
