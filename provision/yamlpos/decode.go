package yamlpos

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Decoder is a type that reads itself, such as one that may be written as a scalar or as a map.
type Decoder interface {
	DecodeYAML(r *Reader, n *yaml.Node, path string)
}

// Bounds of what one file may decode to: aliases let a short file expand without end, in nodes, text or depth.
const (
	maxExpanded = 1 << 17 // nodes beyond those that the file has itself
	maxDepth    = 64
	nodeText    = 32 // bytes of text that count as one more node
)

// enter counts one more node and one more level; leave ends the level. ok is false when there are too many, which is a
// problem once.
func (r *Reader) enter(n *yaml.Node, path string) (ok bool) {
	r.nodes += weight(Deref(n))
	r.depth++
	if r.nodes <= 2*r.size+maxExpanded && r.depth <= maxDepth { // a node may be entered twice, as an optional value and as what it is
		return true
	}
	if !r.exceeded {
		r.exceeded = true
		r.ErrorAt(n, path, "", "its aliases expand to too much")
	}
	return false
}

func (r *Reader) leave() { r.depth-- }

// weight returns how many nodes a node counts as, without those in it.
func weight(n *yaml.Node) int { return 1 + len(n.Value)/nodeText }

// size returns how many nodes a file has itself: aliases are not followed.
func size(n *yaml.Node) int {
	all := weight(n)
	for _, x := range n.Content {
		all += size(x)
	}
	return all
}

// Decode reads a node into what into points to: a struct with yaml tags, a map with text keys, a slice, a pointer, a
// string, bool, int or any, or a Decoder. What doesn't fit is a problem of r. A null leaves the zero value.
func (r *Reader) Decode(n *yaml.Node, path string, into any) {
	r.decode(n, path, reflect.ValueOf(into).Elem())
}

// DecodeFields reads a map into the struct that into points to, also when its type is a Decoder.
func (r *Reader) DecodeFields(n *yaml.Node, path string, into any) {
	r.fields(Deref(n), path, reflect.ValueOf(into).Elem())
}

// DecodeFieldsAnd is DecodeFields for a map that also has keys of its own: it returns the scalars under keys that the
// struct does not have.
func (r *Reader) DecodeFieldsAnd(n *yaml.Node, path string, into any) map[string]string {
	others := make(map[string]string)
	r.fieldsAnd(Deref(n), path, reflect.ValueOf(into).Elem(), others)
	return others
}

func (r *Reader) decode(n *yaml.Node, path string, v reflect.Value) {
	defer r.leave()
	if !r.enter(n, path) {
		return
	}
	n = Deref(n)
	if d, ok := v.Addr().Interface().(Decoder); ok && !IsNull(n) {
		d.DecodeYAML(r, n, path)
		return
	}
	if IsNull(n) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.decode(n, path, v.Elem())
	case reflect.Struct:
		r.fields(n, path, v)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		r.Pairs(n, path, func(key, value *yaml.Node, at string) {
			item := reflect.New(v.Type().Elem()).Elem()
			r.decode(value, at, item)
			v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
		})
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, len(n.Content)))
		r.List(n, path, func(item *yaml.Node, at string) {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			r.decode(item, at, v.Index(v.Len()-1))
		})
	case reflect.Interface:
		if x := r.Any(n, path); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	default:
		r.scalar(n, path, v)
	}
}

func (r *Reader) scalar(n *yaml.Node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s, ok := r.Scalar(n, path); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			r.Errorf(n, path, "true or false, without quotes")
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 0, v.Type().Bits())
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
			r.Errorf(n, path, "a whole number, without quotes")
			return
		}
		v.SetInt(i)
	default:
		panic("yamlpos: no decoder for " + v.Type().String())
	}
}

// fields reads a map into a struct whose fields have yaml tags. A field Pos without a tag receives the place of the map;
// other fields without a tag are not written in files.
func (r *Reader) fields(n *yaml.Node, path string, v reflect.Value) { r.fieldsAnd(n, path, v, nil) }

// fieldsAnd is fields. Scalars under unknown keys go into others; where that is nil they are problems.
func (r *Reader) fieldsAnd(n *yaml.Node, path string, v reflect.Value, others map[string]string) {
	if pos := v.FieldByName("Pos"); pos.IsValid() && pos.Type() == reflect.TypeFor[Pos]() {
		pos.Set(reflect.ValueOf(At(n)))
	}
	byName := make(map[string]reflect.Value)
	fieldsByName(v, byName)
	r.Pairs(n, path, func(key, value *yaml.Node, at string) {
		field, ok := byName[key.Value]
		switch {
		case ok:
			r.decode(value, at, field)
		case others != nil && value.Kind == yaml.ScalarNode:
			others[key.Value] = value.Value
		default:
			names := slices.Sorted(maps.Keys(byName))
			allowed := Suggest(key.Value, names)
			if allowed == "" {
				allowed = ": allowed are " + strings.Join(names, ", ")
			}
			r.ErrorAt(key, at, "", "unknown key"+allowed)
		}
	})
}

// fieldsByName collects the fields of a struct, and of those in it that are inline, by the names in their tags.
func fieldsByName(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		name, inline, ok := tag(v.Type().Field(i))
		switch {
		case inline:
			fieldsByName(v.Field(i), into)
		case ok:
			into[name] = v.Field(i)
		}
	}
}

func tag(f reflect.StructField) (name string, inline, ok bool) {
	t, ok := f.Tag.Lookup("yaml")
	if !ok {
		return "", false, false
	}
	name, options, _ := strings.Cut(t, ",")
	return name, options == "inline", name != ""
}

// Any returns a value of the type that YAML gives it: string, bool, int, float64, []any or map[string]any; nil for null.
func (r *Reader) Any(n *yaml.Node, path string) any {
	n = Deref(n)
	defer r.leave()
	if !r.enter(n, path) {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := make(map[string]any)
		r.Pairs(n, path, func(key, value *yaml.Node, at string) { out[key.Value] = r.Any(value, at) })
		return out
	case yaml.SequenceNode:
		out := []any{}
		r.List(n, path, func(item *yaml.Node, at string) { out = append(out, r.Any(item, at)) })
		return out
	}
	var x any
	if n.Kind != yaml.ScalarNode || n.Decode(&x) != nil {
		r.Errorf(n, path, "not a value")
		return nil
	}
	return x
}
