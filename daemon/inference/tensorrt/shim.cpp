// TensorRT's C++ interface as a few C functions, for `src/engine/tensorrt/library.rs`.
//
// Compiled twice by `build`: with the headers of TensorRT-RTX (for RTX cards) and with those of TensorRT (for
// data-centre cards). NVIDIA's libraries are opened when `swarm_tensorrt_load` is told where they are, so nothing is
// linked, and the shim builds and loads on a machine without them.
//
// Every function that can fail writes a sentence with NVIDIA's own words into `error` (never more than `error_bytes`,
// always terminated) and returns null or false. No exception leaves this file.
#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

/// Longest text that is kept of what the library says.
constexpr size_t kWordsMax = 4096;

/// Keeps what the library says while something goes wrong.
class Words : public ILogger {
  public:
    void log(Severity severity, char const* text) noexcept override {
        if (severity > Severity::kERROR) return;
        std::lock_guard<std::mutex> guard(mutex);
        if (words.size() < kWordsMax) words.append(words.empty() ? "" : "; ").append(text);
    }

    std::string take() {
        std::lock_guard<std::mutex> guard(mutex);
        std::string taken;
        taken.swap(words);
        return taken;
    }

  private:
    std::mutex mutex;
    std::string words;
};

void say(char* error, size_t error_bytes, std::string const& text) {
    std::snprintf(error, error_bytes, "%s", text.c_str());
}

char const* name_of(DataType type) {
    switch (type) {
    case DataType::kFLOAT: return "float32";
    case DataType::kHALF: return "float16";
    case DataType::kBF16: return "bfloat16";
    case DataType::kINT8: return "int8";
    case DataType::kINT32: return "int32";
    case DataType::kINT64: return "int64";
    case DataType::kUINT8: return "uint8";
    case DataType::kBOOL: return "bool";
    default: return "other";
    }
}

/// One line a tensor: `input`, name, element, dims with -1 where they vary; tabs between.
void describe(std::string& text, bool input, char const* name, DataType type, Dims const& dims) {
    text.append(input ? "input\t" : "output\t").append(name).append("\t").append(name_of(type)).append("\t");
    for (int32_t i = 0; i < dims.nbDims; ++i) text.append(i ? "," : "").append(std::to_string(dims.d[i]));
    text.append("\n");
}

} // namespace

struct SwarmLibrary {
    Words words;
    decltype(&createInferBuilder_INTERNAL) create_builder = nullptr;
    decltype(&createInferRuntime_INTERNAL) create_runtime = nullptr;
    decltype(&createNvOnnxParser_INTERNAL) create_parser = nullptr;
    decltype(&getInferLibVersion) version = nullptr;
};

/// Destroyed from the last member to the first.
struct SwarmEngine {
    SwarmLibrary* library;
    std::unique_ptr<IRuntime> runtime;
    std::unique_ptr<ICudaEngine> engine;
    std::unique_ptr<IRuntimeConfig> config;
#ifdef TRT_MAJOR_RTX
    std::unique_ptr<IRuntimeCache> cache;
#endif
    std::unique_ptr<IExecutionContext> context;
};

/// What is compiled for what. Dims are (1, channels, x, y, z).
struct SwarmCompile {
    void const* onnx;
    size_t onnx_bytes;
    char const* input;
    int64_t least[5];
    int64_t best[5];
    int64_t most[5];
    /// Such as 86; 0 for the GPU of this machine.
    int32_t target;
    int32_t threads;
    /// Compute in float16; input and output stay float32.
    int32_t half;
};

namespace {

template <typename F> bool find(void* handle, char const* name, F& function) {
    function = reinterpret_cast<F>(dlsym(handle, name));
    return function != nullptr;
}

Dims dims_of(int64_t const (&from)[5]) {
    Dims dims{};
    dims.nbDims = 5;
    for (int i = 0; i < 5; ++i) dims.d[i] = from[i];
    return dims;
}

std::string words_of(nvonnxparser::IParser& parser) {
    std::string text;
    for (int32_t i = 0; i < parser.getNbErrors() && text.size() < kWordsMax; ++i) {
        auto const* error = parser.getError(i);
        text.append(text.empty() ? "" : "; ").append(error->desc());
        if (error->nodeOperator() && *error->nodeOperator())
            text.append(" (operator ").append(error->nodeOperator()).append(", node ").append(error->nodeName()).append(")");
    }
    return text;
}

/// Targets one architecture; TensorRT itself compiles for the GPU that is there.
bool aim(IBuilderConfig& config, int32_t target) {
#ifdef TRT_MAJOR_RTX
    return target == 0 || (config.setNbComputeCapabilities(1) &&
                           config.setComputeCapability(static_cast<ComputeCapability>(target), 0));
#else
    (void)config;
    return target == 0;
#endif
}

/// Float32 weights as float16, in memory that the compiler reads until it is done.
class Halves {
  public:
    /// False where a weight is out of float16's range.
    bool take(Weights& weights) {
        if (weights.type != DataType::kFLOAT || weights.count == 0) return true;
        auto const* from = static_cast<float const*>(weights.values);
        auto to = std::make_unique<_Float16[]>(weights.count);
        for (int64_t i = 0; i < weights.count; ++i) {
            to[i] = static_cast<_Float16>(from[i]);
            if (std::isfinite(from[i]) && !std::isfinite(static_cast<float>(to[i]))) return false;
        }
        weights = Weights{DataType::kHALF, to.get(), weights.count};
        kept.push_back(std::move(to));
        return true;
    }

  private:
    std::vector<std::unique_ptr<_Float16[]>> kept;
};

/// Makes a network of float32 one of float16 between a cast at its input and one at its output. Types follow from
/// inputs and weights, so only those change.
std::string halve(INetworkDefinition& network, Halves& halves) {
    if (network.getNbInputs() != 1 || network.getNbOutputs() != 1) return "float16 is for networks with one input and one output";
    ITensor* input = network.getInput(0);
    ITensor* output = network.getOutput(0);
    int32_t const layers = network.getNbLayers();
    for (int32_t i = 0; i < layers; ++i) {
        ILayer* layer = network.getLayer(i);
        bool fits = true;
        auto change = [&](auto& of, auto get, auto set) {
            Weights weights = (of.*get)();
            fits = fits && halves.take(weights);
            if (fits && weights.count > 0) (of.*set)(weights);
        };
        switch (layer->getType()) {
        case LayerType::kCONVOLUTION: {
            auto& of = static_cast<IConvolutionLayer&>(*layer);
            change(of, &IConvolutionLayer::getKernelWeights, &IConvolutionLayer::setKernelWeights);
            change(of, &IConvolutionLayer::getBiasWeights, &IConvolutionLayer::setBiasWeights);
            break;
        }
        case LayerType::kDECONVOLUTION: {
            auto& of = static_cast<IDeconvolutionLayer&>(*layer);
            change(of, &IDeconvolutionLayer::getKernelWeights, &IDeconvolutionLayer::setKernelWeights);
            change(of, &IDeconvolutionLayer::getBiasWeights, &IDeconvolutionLayer::setBiasWeights);
            break;
        }
        case LayerType::kSCALE: {
            auto& of = static_cast<IScaleLayer&>(*layer);
            change(of, &IScaleLayer::getShift, &IScaleLayer::setShift);
            change(of, &IScaleLayer::getScale, &IScaleLayer::setScale);
            change(of, &IScaleLayer::getPower, &IScaleLayer::setPower);
            break;
        }
        case LayerType::kCONSTANT: {
            auto& of = static_cast<IConstantLayer&>(*layer);
            change(of, &IConstantLayer::getWeights, &IConstantLayer::setWeights);
            break;
        }
        case LayerType::kCAST: {
            auto& of = static_cast<ICastLayer&>(*layer);
            if (of.getToType() == DataType::kFLOAT) of.setToType(DataType::kHALF);
            break;
        }
        default: break;
        }
        if (!fits) return std::string("a weight of ") + layer->getName() + " is out of float16's range";
    }
    ITensor* narrow = network.addCast(*input, DataType::kHALF)->getOutput(0);
    for (int32_t i = 0; i < layers; ++i) {
        ILayer* layer = network.getLayer(i);
        // Shapes are asked of the input itself.
        if (layer->getType() == LayerType::kSHAPE) continue;
        for (int32_t k = 0; k < layer->getNbInputs(); ++k)
            if (layer->getInput(k) == input) layer->setInput(k, *narrow);
    }
    std::string const name = output->getName();
    network.unmarkOutput(*output);
    output->setName((name + "_half").c_str());
    ITensor* wide = network.addCast(*output, DataType::kFLOAT)->getOutput(0);
    wide->setName(name.c_str());
    network.markOutput(*wide);
    return "";
}

std::string compile(SwarmLibrary& library, SwarmCompile const& job, std::string& tensors, IHostMemory*& memory) {
    std::unique_ptr<IBuilder> builder(static_cast<IBuilder*>(library.create_builder(&library.words, NV_TENSORRT_VERSION)));
    if (!builder) return "the compiler does not start";
    builder->setMaxThreads(job.threads);
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    if (!network || !config) return "the compiler has no memory";
    std::unique_ptr<nvonnxparser::IParser> parser(static_cast<nvonnxparser::IParser*>(
        library.create_parser(network.get(), &library.words, NV_ONNX_PARSER_VERSION)));
    if (!parser) return "the ONNX reader does not start";
    if (!parser->parse(job.onnx, job.onnx_bytes)) return words_of(*parser);
    if (!aim(*config, job.target)) return "the compiler does not know the architecture";
    Halves halves;
    if (job.half) {
        std::string reason = halve(*network, halves);
        if (!reason.empty()) return reason;
    }
    // Float32 as written: results are compared with other engines'.
    config->clearFlag(BuilderFlag::kTF32);

    auto* profile = builder->createOptimizationProfile();
    if (!profile->setDimensions(job.input, OptProfileSelector::kMIN, dims_of(job.least)) ||
        !profile->setDimensions(job.input, OptProfileSelector::kOPT, dims_of(job.best)) ||
        !profile->setDimensions(job.input, OptProfileSelector::kMAX, dims_of(job.most)) ||
        config->addOptimizationProfile(profile) < 0)
        return "the sizes do not suit the network";
    for (int32_t i = 0; i < network->getNbInputs(); ++i) {
        auto* tensor = network->getInput(i);
        describe(tensors, true, tensor->getName(), tensor->getType(), tensor->getDimensions());
    }
    for (int32_t i = 0; i < network->getNbOutputs(); ++i) {
        auto* tensor = network->getOutput(i);
        describe(tensors, false, tensor->getName(), tensor->getType(), tensor->getDimensions());
    }
    memory = builder->buildSerializedNetwork(*network, *config);
    return memory ? "" : "no engine came out";
}

/// What went wrong, with what the library said meanwhile.
std::string with_words(std::string const& reason, Words& words) {
    std::string said = words.take();
    return said.empty() ? reason : reason.empty() ? said : reason + ": " + said;
}

} // namespace

// The only names that others see.
#pragma GCC visibility push(default)
extern "C" {

/// Opens NVIDIA's libraries: the runtime with its compiler, and the ONNX reader. They stay open.
SwarmLibrary* swarm_tensorrt_load(char const* runtime, char const* parser, char* error, size_t error_bytes) {
    void* handles[2];
    char const* paths[2] = {runtime, parser};
    for (int i = 0; i < 2; ++i) {
        handles[i] = dlopen(paths[i], RTLD_NOW | RTLD_GLOBAL);
        if (!handles[i]) {
            say(error, error_bytes, dlerror());
            return nullptr;
        }
    }
    auto library = std::make_unique<SwarmLibrary>();
    if (!find(handles[0], "createInferBuilder_INTERNAL", library->create_builder) ||
        !find(handles[0], "createInferRuntime_INTERNAL", library->create_runtime) ||
        !find(handles[0], "getInferLibVersion", library->version) ||
        !find(handles[1], "createNvOnnxParser_INTERNAL", library->create_parser)) {
        say(error, error_bytes, dlerror());
        return nullptr;
    }
    // An engine is bound to a version, and the headers are of one.
    if (library->version() / 100 != NV_TENSORRT_VERSION / 100) {
        say(error, error_bytes, "the library is version " + std::to_string(library->version()) +
                                    ", the shim was built for " + std::to_string(NV_TENSORRT_VERSION));
        return nullptr;
    }
    return library.release();
}

/// Major, minor and patch as NVIDIA packs them.
int32_t swarm_tensorrt_version(SwarmLibrary* library) { return library->version(); }

/// Compiles a network. Returns the engine's bytes, to be given to `swarm_tensorrt_free`; `tensors` gets a line a tensor.
void* swarm_tensorrt_compile(SwarmLibrary* library, SwarmCompile const* job, void const** bytes, size_t* size,
                             char* tensors, size_t tensors_bytes, char* error, size_t error_bytes) {
    library->words.take();
    std::string text;
    IHostMemory* memory = nullptr;
    std::string reason = compile(*library, *job, text, memory);
    if (!memory) {
        say(error, error_bytes, with_words(reason, library->words));
        return nullptr;
    }
    say(tensors, tensors_bytes, text);
    *bytes = memory->data();
    *size = memory->size();
    return memory;
}

void swarm_tensorrt_free(void* memory) { delete static_cast<IHostMemory*>(memory); }

/// Reads an engine's header, as far as the library does so without a GPU: 0 valid, 1 valid but slower, 2 not valid here;
/// -1 where it cannot say. `diagnostics` gets NVIDIA's bits.
int32_t swarm_tensorrt_validity(SwarmLibrary* library, void const* bytes, size_t size, uint64_t* diagnostics, char* error,
                                size_t error_bytes) {
    library->words.take();
    *diagnostics = 0;
#ifdef TRT_MAJOR_RTX
    std::unique_ptr<IRuntime> runtime(static_cast<IRuntime*>(library->create_runtime(&library->words, NV_TENSORRT_VERSION)));
    if (!runtime) {
        say(error, error_bytes, with_words("the runtime does not start", library->words));
        return -1;
    }
    if (size < static_cast<size_t>(runtime->getEngineHeaderSize())) {
        say(error, error_bytes, "the file is shorter than an engine's header");
        return -1;
    }
    return static_cast<int32_t>(runtime->getEngineValidity(bytes, static_cast<int64_t>(size), diagnostics));
#else
    (void)bytes, (void)size;
    say(error, error_bytes, "this TensorRT has no check that needs no GPU");
    return -1;
#endif
}

void swarm_tensorrt_close(SwarmEngine* engine) { delete engine; }

/// Puts an engine on the GPU whose context is current. `tensors` gets a line a tensor. `cached` is what
/// `swarm_tensorrt_cache` gave on this machine before, or nothing.
SwarmEngine* swarm_tensorrt_open(SwarmLibrary* library, void const* bytes, size_t size, void const* cached,
                                 size_t cached_size, char* tensors, size_t tensors_bytes, char* error,
                                 size_t error_bytes) {
    library->words.take();
    auto opened = std::make_unique<SwarmEngine>();
    opened->library = library;
    opened->runtime.reset(static_cast<IRuntime*>(library->create_runtime(&library->words, NV_TENSORRT_VERSION)));
    if (opened->runtime) opened->engine.reset(opened->runtime->deserializeCudaEngine(bytes, size));
    if (opened->engine) opened->config.reset(opened->engine->createRuntimeConfig());
    if (opened->config) {
#ifdef TRT_MAJOR_RTX
        // Kernels that were made for this card once need not be made again; a cache that does not suit is empty.
        opened->cache.reset(opened->config->createRuntimeCache());
        if (opened->cache) {
            if (cached_size > 0 && !opened->cache->deserialize(cached, cached_size)) library->words.take();
            opened->config->setRuntimeCache(*opened->cache);
        }
#else
        (void)cached, (void)cached_size;
#endif
        opened->context.reset(opened->engine->createExecutionContext(opened->config.get()));
    }
    if (!opened->context) {
        say(error, error_bytes, with_words(opened->engine ? "there is no memory to run in" : "the engine does not load", library->words));
        return nullptr;
    }
    std::string text;
    for (int32_t i = 0; i < opened->engine->getNbIOTensors(); ++i) {
        char const* name = opened->engine->getIOTensorName(i);
        describe(text, opened->engine->getTensorIOMode(name) == TensorIOMode::kINPUT, name,
                 opened->engine->getTensorDataType(name), opened->engine->getTensorShape(name));
    }
    say(tensors, tensors_bytes, text);
    return opened.release();
}

/// The kernels made for this card so far, to be given to `swarm_tensorrt_free`; null where there are none.
void* swarm_tensorrt_cache(SwarmEngine* engine, void const** bytes, size_t* size) {
#ifdef TRT_MAJOR_RTX
    IHostMemory* memory = engine->cache ? engine->cache->serialize() : nullptr;
    if (!memory) return nullptr;
    *bytes = memory->data();
    *size = memory->size();
    return memory;
#else
    (void)engine, (void)bytes, (void)size;
    return nullptr;
#endif
}

/// Queues one run on `stream`. Input and output are addresses on the GPU, with room for their dims; nothing is copied,
/// and nothing waits.
bool swarm_tensorrt_enqueue(SwarmEngine* engine, void* stream, char const* input, int64_t const* dims, void* from,
                            char const* output, void* to, char* error, size_t error_bytes) {
    engine->library->words.take();
    int64_t shape[5];
    std::memcpy(shape, dims, sizeof shape);
    IExecutionContext& context = *engine->context;
    bool queued = context.setInputShape(input, dims_of(shape)) && context.setTensorAddress(input, from) &&
                  context.setTensorAddress(output, to) && context.enqueueV3(static_cast<cudaStream_t>(stream));
    if (!queued) say(error, error_bytes, with_words("the run was not queued", engine->library->words));
    return queued;
}

} // extern "C"
#pragma GCC visibility pop
