import { route } from "./router";

export function App() {
    return <main>SwarmOrb: {route.value.path.join(" / ")}</main>;
}
