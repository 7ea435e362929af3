package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"plugtone/admin/client"
	"plugtone/dhcp"
)

// calls yields each method of a client that has a context, as a function that calls it, by its name.
func calls(of reflect.Value, prefix string) map[string]func(context.Context) error {
	out := map[string]func(context.Context) error{}
	for i := range of.NumMethod() {
		name, method := prefix+of.Type().Method(i).Name, of.Method(i)
		switch t := method.Type(); {
		case t.NumIn() == 0 && t.NumOut() == 1 && t.Out(0).Kind() == reflect.Struct: // the records of one kind
			for inner, f := range calls(method.Call(nil)[0], name+".") {
				out[inner] = f
			}
		case t.NumIn() > 0 && t.In(0) == reflect.TypeFor[context.Context]():
			out[name] = func(ctx context.Context) error { return callWithSamples(ctx, method) }
		}
	}
	return out
}

// callWithSamples calls a method with some argument for each of its parameters, and returns its error; of an iterator, the first.
func callWithSamples(ctx context.Context, method reflect.Value) error {
	args := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < method.Type().NumIn(); i++ {
		args = append(args, sample(method.Type().In(i)))
	}
	results := method.Call(args)
	last := results[len(results)-1]
	if last.Kind() == reflect.Func {
		var err error
		for _, e := range last.Seq2() {
			err, _ = e.Interface().(error)
			break
		}
		return err
	}
	err, _ := last.Interface().(error)
	return err
}

func sample(t reflect.Type) reflect.Value {
	switch {
	case t == reflect.TypeFor[io.Writer]():
		return reflect.ValueOf(io.Discard)
	case t == reflect.TypeFor[io.Reader]():
		return reflect.ValueOf(strings.NewReader("{}"))
	case t.Kind() == reflect.String:
		return reflect.ValueOf("x").Convert(t)
	case t.Kind() == reflect.Func:
		return reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value { return []reflect.Value{reflect.Zero(t.Out(0))} })
	case t.Kind() == reflect.Uint64:
		return reflect.ValueOf(uint64(1))
	}
	return reflect.Zero(t)
}

// operationOf returns the operation of the list that a request is: the one with the fewest parameters in its path.
func operationOf(operations []string, method, target string) string {
	best, fewest := "", 99
	for _, o := range operations {
		template, m, _ := strings.Cut(o, " ")
		pattern := template
		for strings.Contains(pattern, "{") {
			from, to := strings.Index(pattern, "{"), strings.Index(pattern, "}")
			pattern = pattern[:from] + "*" + pattern[to+1:]
		}
		if ok, err := path.Match(pattern, target); err == nil && ok && m == method && strings.Count(pattern, "*") < fewest {
			best, fewest = o, strings.Count(pattern, "*")
		}
	}
	return best
}

// TestTheClientHasEveryOperation calls every method of the Go client: together they reach each operation of the API.
func TestTheClientHasEveryOperation(t *testing.T) {
	list, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	operations := strings.Split(strings.TrimSpace(string(list)), "\n")
	var mu sync.Mutex
	reached := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		o := operationOf(operations, r.Method, r.URL.Path)
		if o == "" {
			t.Errorf("%s %s is no operation", r.Method, r.URL.Path)
		}
		reached[o] = true
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"status":404,"detail":"not found"}`)
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL, "token")
	if err != nil {
		t.Fatal(err)
	}
	all := calls(reflect.ValueOf(*c), "")
	if len(all) < 60 {
		t.Errorf("only %d calls", len(all))
	}
	all["Enroll all"] = func(ctx context.Context) error { _, err := c.Enroll(ctx, "", "30m", ""); return err }
	for name, f := range all {
		if strings.HasSuffix(name, ".Create") && name != "Devices.Create" {
			continue // Put creates them
		}
		if err := f(t.Context()); !client.IsNotFound(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, o := range operations {
		if !reached[o] {
			t.Errorf("no method of the client reaches %s", o)
		}
	}
}

// TestCallsEndWithTheirContext calls every method of the Go client with a context that has ended.
func TestCallsEndWithTheirContext(t *testing.T) {
	a := newAPI(t)
	c, err := client.New(a.url, "admin")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, f := range calls(reflect.ValueOf(*c), "") {
		if err := f(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIteratorsReadPageAfterPage compares an iterator with the list that is read whole, and leaves one after its first item.
func TestIteratorsReadPageAfterPage(t *testing.T) {
	a := newAPI(t)
	for i := range 1203 {
		a.PutLease(fmt.Sprintf("10.20.%d.%d", i>>8, i&255), dhcp.MAC{0, 0x15, 0x65, 0, byte(i >> 8), byte(i)})
	}
	requests := 0
	next := http.DefaultTransport
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		out, err := http.NewRequestWithContext(r.Context(), r.Method, a.url+r.URL.String(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = r.Header
		res, err := next.RoundTrip(out)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(proxy.Close)
	c, err := client.New(proxy.URL, "admin")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := c.Leases(t.Context(), nil)
	if err != nil || len(whole) != 1203 || requests != 2 {
		t.Fatalf("%d leases in %d requests, %v", len(whole), requests, err)
	}
	requests = 0
	var seen []netip.Addr
	for l, err := range c.EachLease(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, l.IP)
	}
	if !slices.EqualFunc(seen, whole, func(a netip.Addr, l client.Lease) bool { return a == l.IP }) || requests != 2 {
		t.Errorf("the iterator has %d of %d leases, in %d requests", len(seen), len(whole), requests)
	}
	requests = 0
	for range c.EachLease(t.Context(), nil) {
		break
	}
	if requests != 1 {
		t.Errorf("an iterator that was left after its first item made %d requests", requests)
	}
}

// TestErrorsOfTheClientHaveTypes causes an error of each type.
func TestErrorsOfTheClientHaveTypes(t *testing.T) {
	a := newAPI(t)
	a.office()
	connect := func(token string) *client.Client {
		c, err := client.New(a.url, token)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c, ctx := connect("operator"), t.Context()
	_, _, missing := c.Devices().Get(ctx, "001565999999", false)
	_, exists := c.Devices().Create(ctx, map[string]any{"mac": phone})
	_, moved := c.Devices().Patch(ctx, phone, map[string]any{"label": "x"}, `"4711"`)
	_, invalid := c.Devices().Patch(ctx, phone, map[string]any{"model": "A99", "label": strings.Repeat("x", 200)}, "")
	_, low := connect("viewer").Devices().Patch(ctx, phone, map[string]any{"label": "x"}, "")
	_, none := connect("").Status(ctx)
	a.Break(true)
	_, _, broken := c.Devices().Get(ctx, phone, false)
	a.Break(false)
	_, tried := c.Writing(client.Write{DryRun: true}).Devices().Patch(ctx, phone, map[string]any{"label": "x"}, "")
	away, err := client.New("unix:"+t.TempDir()+"/none.sock", "")
	if err != nil {
		t.Fatal(err)
	}
	_, unreachable := away.Status(ctx)
	kinds := map[string]func(error) bool{
		"not found": client.IsNotFound, "conflict": client.IsConflict, "precondition": client.IsPrecondition, "invalid": client.IsInvalid,
		"denied": client.IsDenied,
		"dry run": func(err error) bool {
			var e *client.DryRun
			return errors.As(err, &e) && e.Preview.Phones == 1 && e.Preview.Changed == 1
		},
		"unreachable": func(err error) bool {
			var e *client.Unreachable
			return errors.As(err, &e) && errors.Is(err, os.ErrNotExist)
		},
	}
	for _, c := range []struct {
		err  error
		want string
	}{{missing, "not found"}, {exists, "conflict"}, {moved, "precondition"}, {invalid, "invalid"}, {low, "denied"}, {none, "denied"}, {broken, "none of them"}, {tried, "dry run"}, {unreachable, "unreachable"}} {
		for kind, is := range kinds {
			if is(c.err) != (kind == c.want) {
				t.Errorf("%v is %s: %t", c.err, kind, is(c.err))
			}
		}
	}
	var p *client.Problem
	if !errors.As(invalid, &p) || len(p.Errors) != 2 || p.Errors[0].Location == "" {
		t.Errorf("the problems of an invalid record are %+v", p)
	}
}

// TestListsWaitForPendingStates reads a list of which the daemon has to compute states first, and one of which it can't keep up with.
func TestListsWaitForPendingStates(t *testing.T) {
	var pending []int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := pending[0]
		pending = pending[1:]
		_, _ = fmt.Fprintf(w, `{"items":[{"mac":"00:15:65:00:00:%02x"}],"next_cursor":"","pending":%d}`, len(pending), n)
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, answers := range [][]int{{0}, {400, 120, 0}, {400, 500}} {
		pending = slices.Clone(answers)
		list, err := c.Devices().All(t.Context(), nil)
		if err != nil || len(pending) != 0 || len(list) != 1 || list[0].MAC[5] != 0 {
			t.Errorf("pending %v: %d answers were not read; %+v, %v", answers, len(pending), list, err)
		}
	}
}
